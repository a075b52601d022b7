//! JSON schemas of the value types, for OpenAPI documents.

use utoipa::openapi::schema::{KnownFormat, OneOfBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::{ObjectBuilder, RefOr};

use super::{Fen, Metadata, Timestamp};

/// Returns the schema of a value that serializes to a string.
pub(crate) fn text(description: &str) -> RefOr<Schema> {
    let schema = ObjectBuilder::new().schema_type(Type::String);
    schema.description(Some(description)).into()
}

fn integer(description: &str) -> RefOr<Schema> {
    let schema = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(0));
    schema.description(Some(description)).into()
}

/// Implements both traits of a schema with a fixed content.
macro_rules! schemas {
    ($($name:ty: $schema:expr;)+) => {$(
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                $schema
            }
        }

        impl utoipa::ToSchema for $name {}
    )+};
}

pub(crate) use schemas;

schemas! {
    Fen: integer("An amount in the currency's minor unit: fen for CNY, not yuan.");
    Timestamp: integer("A time in Unix milliseconds.");
    Metadata: metadata();
}

fn metadata() -> RefOr<Schema> {
    let digits = text("At most 4096 bytes in hexadecimal.");
    let bytes = ObjectBuilder::new().property("hex", digits).required("hex");
    OneOfBuilder::new()
        .item(text("Bytes that are UTF-8."))
        .item(bytes.description(Some("Bytes that are not UTF-8.")))
        .description(Some("At most 4096 bytes of the caller's own data."))
        .into()
}
