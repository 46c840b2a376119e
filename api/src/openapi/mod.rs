//! The parts of the API's description that the routes share (OpenAPI 3.1).
//!
//! Each handler describes itself in the attribute above it and names its parameters and responses. The router collects the
//! descriptions together with the handlers, so a route without one does not exist. What every response has in common, and
//! the failures that several operations share, stand here once.

pub mod headers;
pub mod methods;
pub mod parameters;
pub mod responses;
pub mod schemas;

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, ServerBuilder,
};

/// The groups in which the operations are shown.
pub mod tags {
    pub const IMPORTS: &str = "Imports";
    pub const HEALTH: &str = "Health";
    pub const DESCRIPTION: &str = "Description";
    pub const OTHER_METHODS: &str = "HEAD and OPTIONS";
}

/// The scheme of a login with username and password.
const BASIC: &str = "basic";
/// The scheme of a login with an import token.
const TOKEN: &str = "token";

const ABOUT: &str = "Imports rosters from CSV files, and answers with the outcome of each row.\n\n\
    Every response has the headers `X-Request-Id` and `Trace-Id`, with which the operator finds the request again, and \
    `Cache-Control: no-store`. Every failure has the shape of a failed result, `Failure`. Any other path is a 404, any other \
    method a 405 with `Allow` (`#/components/responses/NotFound` and `MethodNotAllowed`).";

/// The document before the routes have added themselves.
pub fn frame() -> OpenApi {
    let tag = |name, description: &str| TagBuilder::new().name(name).description(Some(description)).build();
    let basic = HttpBuilder::new()
        .scheme(HttpAuthScheme::Basic)
        .description(Some(
            "A user of the tenant who is a system administrator, or any username with an import token as the password.",
        ))
        .build();
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "An import token: it may upload, and poll the imports that were submitted with it.",
        ))
        .build();
    let components = ComponentsBuilder::new()
        .schemas_from_iter(schemas::all())
        .responses_from_iter(responses::shared_failures())
        .security_scheme(BASIC, SecurityScheme::Http(basic))
        .security_scheme(TOKEN, SecurityScheme::Http(token))
        .build();
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Rollcall")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(ABOUT))
                .license(Some(LicenseBuilder::new().name("MIT").identifier(Some("MIT")).build()))
                .build(),
        )
        .servers(Some([ServerBuilder::new().url("/").build()]))
        .components(Some(components))
        .security(Some(logins()))
        .tags(Some([
            tag(tags::IMPORTS, "Uploading a file, and its outcome"),
            tag(tags::HEALTH, "For probes; no login"),
            tag(tags::DESCRIPTION, "This document; no login"),
            tag(tags::OTHER_METHODS, "The methods that every path has besides; OPTIONS needs no login"),
        ]))
        .build()
}

/// The ways to log in, of which a request uses one.
fn logins() -> Vec<SecurityRequirement> {
    [BASIC, TOKEN].map(|scheme| SecurityRequirement::new(scheme, Vec::<String>::new())).to_vec()
}
