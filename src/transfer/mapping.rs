//! Mapping of another system's field names and status words to those of an order.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::amount::Amounts;
use crate::order::Status;
use crate::types::{AppId, MchId};

/// Field of an order that a record of another system can contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Field {
    /// `outTradeNo`: order number, as a string.
    No,
    /// `_openid`: user who created the order.
    Openid,
    /// `appid`: app in which the user created the order.
    Appid,
    /// `mchId`: merchant who receives the payment.
    MchId,
    /// `totalFee`: amount to pay.
    TotalFee,
    /// `feeType`: currency. Default: CNY.
    FeeType,
    /// `payStatus`: status of the order.
    PayStatus,
    /// `createTime`: time of creation.
    CreateTime,
    /// `updateTime`: time of the last change. Default: the time of creation.
    UpdateTime,
    /// `deleteTime`: time at which the user removed the order from the list.
    DeleteTime,
    /// `transactionId`: the channel's number for the payment.
    TransactionId,
    /// `timeEnd`: time of payment, by the channel's clock.
    TimeEnd,
    /// `description`: text that the channel shows to the payer.
    Description,
    /// `attach`: text that the merchant sends and the channel returns.
    Attach,
}

impl Field {
    /// Default name of the field.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::No => "outTradeNo",
            Self::Openid => "_openid",
            Self::Appid => "appid",
            Self::MchId => "mchId",
            Self::TotalFee => "totalFee",
            Self::FeeType => "feeType",
            Self::PayStatus => "payStatus",
            Self::CreateTime => "createTime",
            Self::UpdateTime => "updateTime",
            Self::DeleteTime => "deleteTime",
            Self::TransactionId => "transactionId",
            Self::TimeEnd => "timeEnd",
            Self::Description => "description",
            Self::Attach => "attach",
        }
    }
}

/// Mapping for the records of another system, such as the `order` collection of a cloud database.
///
/// - Field names default to [`Field::name`].
/// - `payStatus` accepts the words of an order in JSON (`wait`, `success`, `closing`, `closed`,
///   `failed`, `latePaid`) and the words that [`status`](Self::status) maps. The importer refuses
///   a record with any other word.
/// - The order's metadata keeps all other fields, as one JSON object.
///
/// ```
/// use orderstore::transfer::{Amounts, Field, Mapping};
/// use orderstore::{AppId, Status};
///
/// let mapping = Mapping::of(Amounts::Yuan)
///     .status("paid", Status::Success)
///     .status("cancel", Status::Closed)
///     .field(Field::TotalFee, "price")
///     .appid(AppId::parse("wxd2565e6a04246fd1")?)
///     .without("phone");
/// # Ok::<(), orderstore::ValueError>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Mapping {
    pub(super) amounts: Amounts,
    pub(super) statuses: BTreeMap<String, Status>,
    pub(super) appid: Option<AppId>,
    pub(super) mch_id: Option<MchId>,
    pub(super) expires_after: Duration,
    pub(super) without: BTreeSet<String>,
    names: BTreeMap<Field, String>,
}

impl Mapping {
    /// Mapping with default names, for records whose amounts are in this unit.
    pub fn of(amounts: Amounts) -> Self {
        let own = Status::ALL.into_iter();
        Self {
            amounts,
            statuses: own
                .map(|status| (status.as_str().to_owned(), status))
                .collect(),
            appid: None,
            mch_id: None,
            expires_after: Duration::from_secs(7 * 24 * 60 * 60),
            without: BTreeSet::new(),
            names: BTreeMap::new(),
        }
    }

    /// Maps a word of `payStatus` to a status. It replaces the default meaning of the word.
    pub fn status(mut self, word: impl Into<String>, status: Status) -> Self {
        self.statuses.insert(word.into(), status);
        self
    }

    /// Sets the name that a field has in the records.
    pub fn field(mut self, field: Field, name: impl Into<String>) -> Self {
        self.names.insert(field, name.into());
        self
    }

    /// Sets the app of orders without `appid`.
    pub fn appid(mut self, appid: AppId) -> Self {
        self.appid = Some(appid);
        self
    }

    /// Sets the merchant of orders without `mchId`.
    pub fn mch_id(mut self, mch_id: MchId) -> Self {
        self.mch_id = Some(mch_id);
        self
    }

    /// Sets the time from creation until an order expires, for all imported orders. Default:
    /// 7 days.
    pub const fn expires_after(mut self, life: Duration) -> Self {
        self.expires_after = life;
        self
    }

    /// Drops a field that the metadata would keep. Use it for names, phone numbers and other
    /// personal data.
    pub fn without(mut self, name: impl Into<String>) -> Self {
        self.without.insert(name.into());
        self
    }

    pub(super) fn name(&self, field: Field) -> &str {
        self.names.get(&field).map_or(field.name(), String::as_str)
    }
}
