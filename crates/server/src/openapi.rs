//! The OpenAPI document, generated from the types of the requests and replies.

use std::collections::BTreeMap;

use orderstore::{ClosedRefund, Due, OpenAnomaly, Order, OrderNo, Page, RefundNo};
use serde_json::Value;
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, Parameter, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ArrayBuilder, OneOfBuilder, Schema, Type};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, ObjectBuilder, OpenApi, OpenApiBuilder,
    PathItem, PathsBuilder, Ref, RefOr, Required, ResponseBuilder,
};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::commands::{self, COMMAND, KINDS, ORDER_NO, TypeSchema};
use crate::problem::{self, Problem};
use crate::routes::{feed, read, stats, write};

const JSON: &str = "application/json";

/// Text of the document. A test compares it with [`document`].
pub(crate) const TEXT: &str = include_str!("../openapi.json");

/// Returns the OpenAPI 3.1 document of the API, as `GET /v1/openapi.json` does.
#[must_use]
pub fn document() -> Value {
    let mut document = serde_json::to_value(build()).unwrap_or_default();
    as_plain_text(&mut document);
    document
}

/// Rewrites Rust's comments as plain text: joins their lines, and removes the brackets of links.
fn as_plain_text(value: &mut Value) {
    match value {
        Value::String(text) => {
            let paragraphs = text.split("\n\n").map(|part| part.replace('\n', " "));
            let text_of_all = paragraphs.collect::<Vec<_>>().join("\n\n");
            let without_links = text_of_all.replace("[`", "`").replace("`]", "`");
            *text = without_links.replace("`None`", "`null`");
        }
        Value::Array(items) => items.iter_mut().for_each(as_plain_text),
        Value::Object(fields) => fields.values_mut().for_each(as_plain_text),
        _ => {}
    }
}

/// Schemas by name, and the paths that use them.
#[derive(Default)]
struct Document {
    schemas: BTreeMap<String, RefOr<Schema>>,
    paths: PathsBuilder,
}

fn build() -> OpenApi {
    let mut document = Document::default();
    document.commands();
    document.orders();
    document.lists();
    document.operations();
    let problem = document.problem();
    let problem = ResponseBuilder::new()
        .description("The request failed: `effect` is what it did to the store.")
        .content(problem::MEDIA_TYPE, content(problem))
        .build();
    let schemas = document.schemas.into_iter();
    let components = ComponentsBuilder::new()
        .schemas_from_iter(schemas)
        .response("Problem", problem);
    let info = InfoBuilder::new()
        .title("orderstore")
        .version("1")
        .description(Some(DESCRIPTION));
    OpenApiBuilder::new()
        .info(info)
        .paths(document.paths)
        .components(Some(components.build()))
        .build()
}

const DESCRIPTION: &str = "\
Commands, lists and the change feed of an order store.

Amounts are integers in the currency's minor unit (fen for CNY). Times are Unix milliseconds.
Integers that can pass 2^53, such as sequence numbers and sums, are texts of digits.

A command that the rules refuse gets status 200, too: `outcome` contains the refusal. Every command
can be repeated. Acknowledge a notification of the channel only if `acknowledge` is true.";

fn content(schema: impl Into<RefOr<Schema>>) -> utoipa::openapi::Content {
    ContentBuilder::new().schema(Some(schema)).build()
}

/// Returns the operation with its successful reply, and with the reference to the problems.
fn operation(
    id: &str,
    text: &str,
    reply: impl Into<RefOr<Schema>>,
    media_type: &str,
) -> OperationBuilder {
    let ok = ResponseBuilder::new()
        .description("The request succeeded.")
        .content(media_type, content(reply));
    let (summary, _) = text.split_once('.').unwrap_or((text, ""));
    OperationBuilder::new()
        .operation_id(Some(id))
        .summary(Some(summary))
        .description(Some(text))
        .response("200", ok)
        .response("default", Ref::from_response_name("Problem"))
}

/// Returns the parameters of a path, such as `{outTradeNo}`.
fn path_parameters(path: &str) -> Vec<Parameter> {
    let names = path.split('{').skip(1);
    let names = names.filter_map(|rest| rest.split('}').next());
    let parameter = |name: &str| {
        let schema: RefOr<Schema> = match name {
            "anomaly" => u32::schema(),
            "refundNo" => Ref::from_schema_name(RefundNo::name()).into(),
            _ => Ref::from_schema_name(OrderNo::name()).into(),
        };
        let mut parameter = Parameter::new(name);
        parameter.parameter_in = ParameterIn::Path;
        parameter.required = Required::True;
        parameter.schema = Some(schema);
        parameter
    };
    names.map(parameter).collect()
}

fn query<P: IntoParams>() -> Vec<Parameter> {
    P::into_params(|| Some(ParameterIn::Query))
}

/// Returns the schema of an object; an empty one if it is something else.
fn object(schema: RefOr<Schema>) -> utoipa::openapi::Object {
    match schema {
        RefOr::T(Schema::Object(object)) => object,
        _ => utoipa::openapi::Object::default(),
    }
}

impl Document {
    /// Adds a schema, or replaces the one with this name.
    fn define(&mut self, name: impl Into<String>, schema: impl Into<RefOr<Schema>>) -> Ref {
        let name = name.into();
        let reference = Ref::from_schema_name(name.as_str());
        self.schemas.insert(name, schema.into());
        reference
    }

    /// Adds the schemas of all types that a type refers to.
    fn add_others(&mut self, of: TypeSchema) {
        let mut others = Vec::new();
        (of.others)(&mut others);
        self.schemas.extend(others);
    }

    /// Adds the schema of a type and of all types that it refers to.
    fn add(&mut self, name: String, of: TypeSchema) -> Ref {
        self.add_others(of);
        self.define(name, (of.content)())
    }

    fn named<T: ToSchema>(&mut self) -> Ref {
        self.add(T::name().into_owned(), TypeSchema::of::<T>())
    }

    fn page<T: ToSchema>(&mut self) -> Ref {
        self.named::<T>();
        let name = format!("{}Page", T::name());
        self.add(name, TypeSchema::of::<Page<T>>())
    }

    fn insert(&mut self, path: &str, method: HttpMethod, operation: impl Into<Operation>) {
        let item = PathItem::new(method, operation);
        let paths = std::mem::take(&mut self.paths);
        self.paths = paths.path(path, item);
    }

    fn get(&mut self, path: &str, text: (&str, &str), more: Vec<Parameter>, reply: Ref) {
        let parameters = [path_parameters(path), more].concat();
        let operation = operation(text.0, text.1, reply, JSON).parameters(Some(parameters));
        self.insert(path, HttpMethod::Get, operation);
    }

    fn post(&mut self, path: &str, body: Option<Ref>, mut operation: OperationBuilder) {
        if let Some(body) = body {
            let body = RequestBodyBuilder::new()
                .content(JSON, content(body))
                .required(Some(Required::True));
            operation = operation.request_body(Some(body.build()));
        }
        self.insert(path, HttpMethod::Post, operation);
    }

    /// Adds the schema of a problem, with the URNs of all kinds.
    fn problem(&mut self) -> Ref {
        self.named::<Problem>();
        let mut problem = object(Problem::schema());
        let urns = problem::Kind::ALL.iter().map(|kind| kind.urn());
        let urn = ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("URN of the kind of problem, which never changes."))
            .enum_values(Some(urns));
        problem.properties.insert("type".to_owned(), urn.into());
        self.define(Problem::name(), closed(problem))
    }

    fn commands(&mut self) {
        self.named::<Order>();
        self.named::<OrderNo>();
        let mut commands = OneOfBuilder::new();
        for kind in KINDS {
            let reply = self.reply(kind.outcome);
            commands = commands.item(self.command(kind, reply));
        }
        self.batch(commands);
        let numbers = self.named::<write::Numbers>();
        let text = "Issues order numbers. The store never issues them again.";
        let operation = operation("nextOrderNumbers", text, numbers, JSON);
        let body = self.named::<write::NumbersWanted>();
        self.post("/v1/order-numbers", Some(body), operation);
    }

    /// Adds the route of one kind of command. Returns the schema of the command in a batch.
    fn command(&mut self, kind: &commands::Kind, reply: Ref) -> Ref {
        self.add_others(kind.arguments);
        let all = object((kind.arguments.content)());
        let text = all.description.clone().unwrap_or_default();
        let parameters = path_parameters(kind.path);
        let mut body = all.clone();
        for parameter in &parameters {
            body.properties.remove(&parameter.name);
            body.required.retain(|name| *name != parameter.name);
        }
        if parameters.is_empty() {
            body = with_order_no(body);
        }
        let name = (kind.arguments.name)();
        let has_body = !body.properties.is_empty();
        let body = has_body.then(|| self.define(name.clone(), Schema::Object(body)));
        let parameters = [parameters, query::<write::Wanted>()].concat();
        let operation = operation(kind.name, &text, reply, JSON).parameters(Some(parameters));
        self.post(kind.path, body, operation);
        let command = Schema::Object(with_name(with_order_no(all), kind.name));
        self.define(format!("{name}Command"), command)
    }

    /// Adds the schema of the reply to a command with this outcome.
    fn reply(&mut self, outcome: TypeSchema) -> Ref {
        let outcome_name = (outcome.name)().into_owned();
        let name = format!("{outcome_name}Reply");
        let outcome = self.add(outcome_name, outcome);
        let order = OneOfBuilder::new()
            .item(ObjectBuilder::new().schema_type(Type::Null))
            .item(Ref::from_schema_name(Order::name()))
            .description(Some(
                "Order after the command; `null` if there is none. Absent with `return=minimal`.",
            ));
        let acknowledge = ObjectBuilder::new()
            .schema_type(Type::Boolean)
            .description(Some(
                "Whether you may acknowledge the channel's notification.",
            ));
        let reply = ObjectBuilder::new()
            .property("outcome", outcome)
            .property("acknowledge", acknowledge)
            .property("order", order)
            .required("outcome")
            .required("acknowledge");
        self.define(name, closed(reply.build()))
    }

    fn batch(&mut self, commands: OneOfBuilder) {
        let commands = ArrayBuilder::new()
            .items(commands)
            .max_items(Some(write::BATCH_MAX));
        let batch = ObjectBuilder::new()
            .property("commands", commands)
            .required("commands");
        let batch = self.define("Batch", closed(batch.build()));
        let mut outcomes: Vec<String> = KINDS
            .iter()
            .map(|kind| (kind.outcome.name)().into())
            .collect();
        outcomes.sort_unstable();
        outcomes.dedup();
        // The kind of the command, which the client knows, determines the reply. Several of the
        // schemas may fit a reply, so `oneOf` would be wrong.
        let replies = outcomes.iter().fold(
            utoipa::openapi::schema::AnyOfBuilder::new(),
            |all, outcome| all.item(Ref::from_schema_name(format!("{outcome}Reply"))),
        );
        let problem = Ref::from_schema_name(Problem::name());
        let of = |name: &str, schema: RefOr<Schema>| {
            let object = ObjectBuilder::new().property(name, schema).required(name);
            closed(object.build())
        };
        let result = OneOfBuilder::new()
            .item(of("reply", replies.into()))
            .item(of("problem", problem.into()));
        let results = ObjectBuilder::new()
            .property("results", ArrayBuilder::new().items(result))
            .required("results");
        let reply = self.define("BatchResults", closed(results.build()));
        let text = "Runs up to 1,024 commands. The batch is not atomic: each command has its own \
                    reply or problem, in the order of the commands.";
        let operation =
            operation("batch", text, reply, JSON).parameters(Some(query::<write::Wanted>()));
        self.post("/v1/batch", Some(batch), operation);
    }

    fn orders(&mut self) {
        let order = self.named::<Order>();
        let text = ("getOrder", "Returns one order.");
        self.get("/v1/orders/{outTradeNo}", text, Vec::new(), order);
        let history = self.named::<read::History>();
        let text = ("getHistory", "Returns all events of an order number.");
        self.get("/v1/orders/{outTradeNo}/history", text, Vec::new(), history);
        let orders = self.page::<Order>();
        let text = ("listOrders", "Lists orders, newest first.");
        self.get("/v1/orders", text, query::<read::Selection>(), orders);
    }

    fn lists(&mut self) {
        let anomalies = self.page::<OpenAnomaly>();
        let text = "Lists the anomalies that a person must resolve, oldest first.";
        let page = query::<read::PageWanted>();
        self.get(
            "/v1/anomalies",
            ("listAnomalies", text),
            page.clone(),
            anomalies,
        );
        let due = self.page::<Due>();
        let text = "Lists the actions that are due for the server, oldest first.";
        self.get(
            "/v1/due",
            ("listDue", text),
            query::<read::DueWanted>(),
            due,
        );
        let refunds = self.page::<ClosedRefund>();
        let text = "Lists the refunds that ended without success, newest first.";
        self.get(
            "/v1/refunds/closed",
            ("listClosedRefunds", text),
            page,
            refunds,
        );
        let events = self.named::<feed::FeedPage>();
        let text = "Returns the events after a cursor, and waits for the first one at most `wait` seconds.";
        let wanted = query::<feed::FeedWanted>();
        self.get("/v1/feed", ("pollFeed", text), wanted, events);
        let text = "Streams the events after a cursor as server-sent events. The `id` of each is its \
                    cursor, and its `data` a `FeedEvent`. Connect again with `Last-Event-ID`.";
        let schema = ObjectBuilder::new().schema_type(Type::String);
        let stream = operation(
            "streamFeed",
            text,
            Schema::from(schema),
            "text/event-stream",
        );
        let stream = stream.parameters(Some(query::<feed::StreamWanted>()));
        self.insert("/v1/feed/stream", HttpMethod::Get, stream);
    }

    fn operations(&mut self) {
        let counts = self.named::<read::CountsView>();
        let text = "Returns the number of orders in each status, and of open anomalies.";
        self.get("/v1/counts", ("getCounts", text), Vec::new(), counts);
        let totals = self.named::<read::TotalsView>();
        let text = "Returns the totals of payments and refunds in a period.";
        let period = query::<read::Period>();
        self.get("/v1/totals", ("getTotals", text), period, totals);
        let stats = self.named::<stats::StatsView>();
        let text = "Returns the store's counters, sizes and health.";
        self.get("/v1/stats", ("getStats", text), Vec::new(), stats);
        let alive = self.named::<stats::Alive>();
        let text = "Answers if the process runs, whatever the store does.";
        self.get("/healthz", ("isAlive", text), Vec::new(), alive);
        let health = self.named::<stats::HealthView>();
        let text = "Answers 200 if the store accepts commands, and 503 with the reason otherwise.";
        self.get("/readyz", ("isReady", text), Vec::new(), health);
        let text = "Returns the metrics in the text format of Prometheus.";
        let schema = Schema::from(ObjectBuilder::new().schema_type(Type::String));
        let metrics = operation("getMetrics", text, schema, "text/plain");
        self.insert("/metrics", HttpMethod::Get, metrics);
    }
}

/// Refuses further properties.
fn closed(mut object: utoipa::openapi::Object) -> Schema {
    let none = utoipa::openapi::schema::AdditionalProperties::FreeForm(false);
    object.additional_properties = Some(Box::new(none));
    Schema::Object(object)
}

fn with_order_no(mut object: utoipa::openapi::Object) -> utoipa::openapi::Object {
    let reference = Ref::from_schema_name(OrderNo::name());
    object
        .properties
        .insert(ORDER_NO.to_owned(), reference.into());
    object.required.push(ORDER_NO.to_owned());
    object
}

fn with_name(mut object: utoipa::openapi::Object, name: &str) -> utoipa::openapi::Object {
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some([name]));
    object.properties.insert(COMMAND.to_owned(), schema.into());
    object.required.push(COMMAND.to_owned());
    object
}
