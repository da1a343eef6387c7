//! The OpenAPI document: the table of routes and the types of their bodies and replies, written down once.

use std::sync::LazyLock;

use schemars::generate::{Contract, SchemaSettings};
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::problem::Problem;
use crate::query::{Parameter, Takes};
use crate::routes::{Method, Route, TABLE};

/// Where schemas are in the document.
const SCHEMAS: &str = "/components/schemas";

/// The text of the document, OpenAPI 3.1.
pub fn document() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| whole().to_string());
    &TEXT
}

fn whole() -> Value {
    let (mut bodies, mut replies) = (generator(Contract::Deserialize), generator(Contract::Serialize));
    let problem = replies.subschema_for::<Problem<'static>>();
    let mut paths = Map::new();
    for route in TABLE {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_ascii_lowercase()] = operation(route, &mut bodies, &mut replies);
    }
    let mut schemas = bodies.take_definitions(true);
    schemas.extend(replies.take_definitions(true));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Pileus",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Requests are signed with AWS Signature Version 4 for the service `pileus`; actions have the names of EC2's \
                in policies and in the audit trail.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"signature": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {
                "Problem": {
                    "description": "The call is refused.",
                    "content": {"application/problem+json": {"schema": problem}},
                },
            },
            "securitySchemes": {
                "signature": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "AWS Signature Version 4 for the service `pileus`.",
                },
            },
        },
    })
}

fn generator(contract: Contract) -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.contract = contract;
        settings.definitions_path = SCHEMAS.into();
        settings.meta_schema = None;
    });
    settings.into_generator()
}

fn operation(route: &Route, bodies: &mut SchemaGenerator, replies: &mut SchemaGenerator) -> Value {
    let mut parameters: Vec<Value> = Vec::new();
    if route.has_id() {
        parameters.push(json!({"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}));
    }
    parameters.extend(route.parameters().map(parameter));
    if route.method != Method::Get {
        parameters.push(json!({
            "name": "Idempotency-Key",
            "in": "header",
            "description": "1 to 64 characters by which a repeated call answers as the first did. It must be signed.",
            "schema": {"type": "string", "minLength": 1, "maxLength": model::CLIENT_TOKEN_MAX},
        }));
    }
    let mut answers = Map::new();
    answers.insert(route.status.to_string(), answer(route, (route.reply)(replies)));
    if route.method != Method::Get {
        answers.entry("204").or_insert_with(|| json!({"description": "A dry run that would have succeeded."}));
    }
    answers.insert("default".to_owned(), json!({"$ref": "#/components/responses/Problem"}));
    let mut operation = json!({
        "operationId": route.name,
        "summary": route.about,
        "parameters": parameters,
        "responses": answers,
        "x-policy-action": route.action,
    });
    if route.method != Method::Get {
        let body = (route.body)(bodies);
        operation["requestBody"] = json!({"required": needs(&body, bodies), "content": {"application/json": {"schema": body}}});
    }
    operation
}

/// Whether a body must have members.
fn needs(body: &Schema, bodies: &SchemaGenerator) -> bool {
    let name = body.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    bodies.definitions().get(name).is_some_and(|schema| schema.get("required").is_some())
}

fn answer(route: &Route, schema: Schema) -> Value {
    if route.status == 204 {
        return json!({"description": "It is done."});
    }
    json!({"description": "It went well.", "content": {"application/json": {"schema": schema}}})
}

fn parameter(of: &Parameter) -> Value {
    let text = json!({"type": "string"});
    let schema = match &of.takes {
        Takes::Flag => json!({"type": "boolean"}),
        Takes::Count { most } => json!({"type": "integer", "minimum": 1, "maximum": most}),
        Takes::Text => text,
        Takes::Filter(_) | Takes::Tag | Takes::Texts => json!({"type": "array", "items": text}),
    };
    let mut parameter = json!({"name": of.name, "in": "query", "description": of.about, "schema": schema});
    if matches!(of.takes, Takes::Filter(_) | Takes::Tag | Takes::Texts) {
        parameter["style"] = json!("form");
        parameter["explode"] = json!(true);
    }
    parameter
}
