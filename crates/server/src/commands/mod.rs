//! Commands of the API: names, paths, and conversion of their fields to commands of the store.
//!
//! Each command has one type for its arguments. A single request and a batch use the same type, so
//! both accept the same fields.

mod amount;
mod orders;
mod payments;
mod refunds;

use orderstore::{Command, CommandKind, OrderNo};
use serde::de::DeserializeOwned;
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use crate::fields::Fields;

/// Arguments of one kind of command, without the order number.
pub(crate) trait Arguments: DeserializeOwned + ToSchema {
    /// Outcome of the command.
    type Outcome: ToSchema;

    /// Converts the arguments.
    fn into_kind(self) -> Result<CommandKind, String>;
}

/// Schema of a type: its name, its content, and the schemas that the content refers to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TypeSchema {
    pub(crate) name: fn() -> std::borrow::Cow<'static, str>,
    pub(crate) content: fn() -> RefOr<Schema>,
    pub(crate) others: fn(&mut Vec<(String, RefOr<Schema>)>),
}

impl TypeSchema {
    pub(crate) const fn of<T: ToSchema>() -> Self {
        Self {
            name: T::name,
            content: T::schema,
            others: T::schemas,
        }
    }
}

/// One kind of command of the API.
#[derive(Debug)]
pub(crate) struct Kind {
    /// Name in a batch.
    pub(crate) name: &'static str,
    /// Path of the route for a single command.
    pub(crate) path: &'static str,
    pub(crate) arguments: TypeSchema,
    pub(crate) outcome: TypeSchema,
    parse: fn(Fields<'_>) -> Result<CommandKind, String>,
}

impl Kind {
    const fn of<A: Arguments>(name: &'static str, path: &'static str) -> Self {
        Self {
            name,
            path,
            arguments: TypeSchema::of::<A>(),
            outcome: TypeSchema::of::<A::Outcome>(),
            parse: |fields| fields.decode::<A>()?.into_kind(),
        }
    }

    /// Converts the fields of a command, with its order number.
    pub(crate) fn command(&self, mut fields: Fields<'_>) -> Result<Command, String> {
        let no: OrderNo = fields.take(ORDER_NO)?;
        let kind = (self.parse)(fields)?;
        Ok(Command { no, kind })
    }
}

/// JSON name of the order number.
pub(crate) const ORDER_NO: &str = "outTradeNo";

/// Field of a command in a batch that has the name of its kind.
pub(crate) const COMMAND: &str = "command";

/// Every kind of command. `import` is left out: it moves orders between stores, and its rules for
/// conflicts belong to a job, not to a payment.
pub(crate) const KINDS: &[Kind] = &[
    Kind::of::<orders::CreateOrder>("create", "/v1/orders"),
    Kind::of::<orders::Annotate>("annotate", "/v1/orders/{outTradeNo}/annotate"),
    Kind::of::<orders::RecordPrepay>("recordPrepay", "/v1/orders/{outTradeNo}/prepay"),
    Kind::of::<payments::PaymentFact>("confirm", "/v1/orders/{outTradeNo}/confirm"),
    Kind::of::<payments::RecordQuery>("recordQuery", "/v1/orders/{outTradeNo}/query"),
    Kind::of::<payments::RecordUnanswered>(
        "recordUnanswered",
        "/v1/orders/{outTradeNo}/unanswered",
    ),
    Kind::of::<orders::BeginClose>("beginClose", "/v1/orders/{outTradeNo}/close/begin"),
    Kind::of::<orders::RecordClose>("recordClose", "/v1/orders/{outTradeNo}/close/record"),
    Kind::of::<orders::AbortClose>("abortClose", "/v1/orders/{outTradeNo}/close/abort"),
    Kind::of::<orders::EndOrder>("endOrder", "/v1/orders/{outTradeNo}/end"),
    Kind::of::<orders::Hide>("hide", "/v1/orders/{outTradeNo}/hide"),
    Kind::of::<orders::Unhide>("unhide", "/v1/orders/{outTradeNo}/unhide"),
    Kind::of::<payments::Resolve>(
        "resolve",
        "/v1/orders/{outTradeNo}/anomalies/{anomaly}/resolve",
    ),
    Kind::of::<refunds::RequestRefund>("requestRefund", "/v1/orders/{outTradeNo}/refunds"),
    Kind::of::<refunds::RecordRefund>(
        "recordRefund",
        "/v1/orders/{outTradeNo}/refunds/{refundNo}/record",
    ),
    Kind::of::<refunds::RecordRefundRefused>(
        "recordRefundRefused",
        "/v1/orders/{outTradeNo}/refunds/{refundNo}/refused",
    ),
    Kind::of::<refunds::RecordRefundUnanswered>(
        "recordRefundUnanswered",
        "/v1/orders/{outTradeNo}/refunds/{refundNo}/unanswered",
    ),
];

/// Converts one command of a batch.
pub(crate) fn of_batch(mut fields: Fields<'_>) -> Result<Command, String> {
    let name: String = fields.take(COMMAND)?;
    let mut kinds = KINDS.iter();
    let kind = kinds.find(|kind| kind.name == name).ok_or_else(|| {
        let names: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
        format!("`{COMMAND}`: expected one of {}", names.join(", "))
    })?;
    kind.command(fields)
}

/// Defines commands without arguments.
macro_rules! without_arguments {
    ($($(#[$meta:meta])* $name:ident: $outcome:ty;)+) => {$(
        $(#[$meta])*
        #[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $name {}

        impl $crate::commands::Arguments for $name {
            type Outcome = $outcome;

            fn into_kind(self) -> Result<orderstore::CommandKind, String> {
                Ok(orderstore::CommandKind::$name)
            }
        }
    )+};
}

use without_arguments;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn name_in_batch_is_name_of_store_method() {
        let source = include_str!("../../../../src/order/command.rs");
        let verbs = source.split("=> \"").skip(1);
        let verbs = verbs
            .filter_map(|rest| rest.split_once('"'))
            .map(|(verb, _)| camel(verb));
        let mut verbs: BTreeSet<String> = verbs.collect();
        assert!(verbs.remove("import"));
        let names: BTreeSet<String> = KINDS.iter().map(|kind| kind.name.to_owned()).collect();
        assert_eq!(names, verbs);
    }

    fn camel(verb: &str) -> String {
        let mut words = verb.split('_');
        let first = words.next().unwrap().to_owned();
        words.fold(first, |name, word| {
            let (head, tail) = word.split_at(1);
            name + &head.to_uppercase() + tail
        })
    }
}
