//! The OpenAPI document, written from the route table: it cannot say anything else than what is served.

use bytes::Bytes;
use utoipa::openapi::path::{Operation, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder};
use utoipa::openapi::security::{SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, HttpMethod, InfoBuilder, ObjectBuilder, OpenApiBuilder, Paths, Ref, RefOr,
    Required, ResponseBuilder, Schema, Type,
};
use utoipa::{PartialSchema, ToSchema};

use crate::problem::Document;
use crate::reply;
use crate::route::{Access, Hub, Right, Route};

/// Where the document is served.
pub const PATH: &str = "/api/openapi.json";

/// The document of these routes, as pretty JSON that ends in a newline.
pub(crate) fn document<C: Hub>(routes: &[Route<C>]) -> String {
    let mut components = ComponentsBuilder::new()
        .security_scheme(
            "cookie",
            SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
                crate::cookie::NAME,
                "Set by the claim and by signing in. Changes need an Origin equal to the hub's own.",
            ))),
        )
        .security_scheme("token", SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()))
        .schema("Problem", Document::schema());
    let mut paths = Paths::new();
    for route in routes {
        for (name, schema) in &route.doc.schemas {
            components = components.schema(name, schema.clone());
        }
        let method = match route.method.as_str() {
            "POST" => HttpMethod::Post,
            "PATCH" => HttpMethod::Patch,
            "PUT" => HttpMethod::Put,
            "DELETE" => HttpMethod::Delete,
            _ => HttpMethod::Get,
        };
        paths.add_path_operation(route.path, vec![method], operation(route));
    }
    let info = InfoBuilder::new()
        .title("Keepsight")
        .version("1")
        .description(Some(
            "The interface of a Keepsight hub. Times are RFC 3339 in UTC; spans of time include their start and not \
             their end; errors are problem documents (RFC 9457) whose codes docs/problems.md lists.",
        ))
        .build();
    let openapi = OpenApiBuilder::new().info(info).paths(paths).components(Some(components.build())).build();
    // Through a Value, whose keys are sorted: the same table is always the same text.
    let value = serde_json::to_value(&openapi).unwrap_or_default();
    serde_json::to_string_pretty(&value).unwrap_or_default() + "\n"
}

/// The route that serves a document.
pub(crate) fn route<C: Hub>(document: Bytes) -> Route<C> {
    Route::get(PATH, Access::Open, "This document.", move |_, _| {
        let document = document.clone();
        async move { Ok(reply::bytes("application/json", document)) }
    })
    .answers_with(200, "The document.", Some("application/json"))
}

/// A reference to the schema of a type, which is added to `schemas` with all that it refers to.
pub(crate) fn schema_of<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) -> RefOr<Schema> {
    T::schemas(schemas);
    let name = T::name().into_owned();
    let reference = RefOr::Ref(Ref::from_schema_name(&name));
    schemas.push((name, T::schema()));
    reference
}

fn operation<C: Hub>(route: &Route<C>) -> Operation {
    let access = match route.access {
        Access::Open => "Open without a session.",
        Access::Session => "For everybody who is signed in.",
        Access::Camera(Right::Any) => "For whoever was granted anything of the camera.",
        Access::Camera(Right::Live) => "For whoever was granted `live` of the camera.",
        Access::Camera(Right::Playback) => "For whoever was granted `playback` of the camera.",
        Access::Camera(Right::Export) => "For whoever was granted `export` of the camera.",
        Access::Camera(Right::Manage) => "For whoever was granted `manage` of the camera.",
        Access::Owner => "For owners.",
        Access::OwnerOrToken => "For owners and API tokens.",
    };
    let local = if route.local { " Also on the hub's own socket." } else { "" };
    let text = || ObjectBuilder::new().schema_type(Type::String).build();
    let mut operation =
        OperationBuilder::new().summary(Some(route.summary)).description(Some(format!("{access}{local}")));
    for name in route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
        let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).schema(Some(text()));
        operation = operation.parameter(parameter.required(Required::True));
    }
    for query in &route.doc.query {
        let required = if query.required { Required::True } else { Required::False };
        let parameter = ParameterBuilder::new().name(query.name).parameter_in(ParameterIn::Query);
        let parameter = parameter.description(Some(query.what)).required(required).schema(Some(text()));
        operation = operation.parameter(parameter);
    }
    if let Some(schema) = &route.doc.request {
        let content = ContentBuilder::new().schema(Some(schema.clone())).build();
        let body = RequestBodyBuilder::new().content("application/json", content).required(Some(Required::True));
        operation = operation.request_body(Some(body.build()));
    }
    for answer in &route.doc.answers {
        let mut response = ResponseBuilder::new().description(answer.what);
        if let Some(content_type) = answer.content_type {
            let content = ContentBuilder::new().schema(answer.schema.clone()).build();
            response = response.content(content_type, content);
        }
        operation = operation.response(answer.status.to_string(), response.build());
    }
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let problem =
        ResponseBuilder::new().description("A problem document.").content("application/problem+json", problem);
    operation = operation.response("default", problem.build());
    if route.access != Access::Open {
        let none: [&str; 0] = [];
        operation = operation
            .security(SecurityRequirement::new("cookie", none))
            .security(SecurityRequirement::new("token", none));
    }
    operation.build()
}

/// Compares with `docs/openapi.json`, from which clients are made and in which reviews see what changes.
#[cfg(test)]
pub(crate) fn check_golden(document: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    if std::env::var_os("KEEPSIGHT_BLESS").is_some() {
        std::fs::write(path, document).unwrap();
    }
    let on_disk = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        on_disk == document,
        "docs/openapi.json differs from the route table: run this test with KEEPSIGHT_BLESS=1"
    );
}
