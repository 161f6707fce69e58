//! The OpenAPI document of the calls, made from the types that they read and write.

use axum::http::StatusCode;
use utoipa::openapi::path::{OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{ComponentsBuilder, ObjectBuilder};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, Header, HeaderBuilder, HttpMethod, InfoBuilder, KnownFormat, OpenApi,
    OpenApiBuilder, PathItem, PathsBuilder, Ref, RefOr, Required, Schema, SchemaFormat,
    SecurityRequirement, Type,
};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::Options;
use super::envelope::{Coded, CodedError, Envelope, SuccessError, Successful};
use super::input::{CountParameters, ListParameters, NewImage};
use super::representation::{ImageCount, ImageDetail, ImageItem, ImageList, PurgedImage};

const JSON: &str = "application/json";
const BEARER: &str = "bearer";

/// One call.
struct Call {
    /// Below `REST_PATH`.
    path: &'static str,
    method: HttpMethod,
    name: &'static str,
    summary: &'static str,
    parameters: Vec<Parameter>,
    body: Option<RefOr<Schema>>,
    result: RefOr<Schema>,
    /// The statuses of success, each with what it means.
    successes: &'static [(StatusCode, &'static str)],
    /// The errors that not every call has.
    errors: &'static [(StatusCode, &'static str)],
    has_pages: bool,
}

const OK: &[(StatusCode, &str)] = &[(StatusCode::OK, "Done")];
const NOT_FOUND: (StatusCode, &str) = (
    StatusCode::NOT_FOUND,
    "There is no such image that the caller may see",
);

/// The document for these paths and envelopes.
pub(super) fn document(options: &Options) -> OpenApi {
    let mut paths = PathsBuilder::new();
    for call in calls(options.envelope) {
        let path = format!("{}{}", options.path.as_str(), call.path);
        let method = call.method.clone();
        let operation = operation(call, options.envelope);
        paths = paths.path(path, PathItem::new(method, operation));
    }
    let info = InfoBuilder::new()
        .title("Image gallery")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Every path may also be written without the slash at its end. Lists have at most 1000 images; the header \
             `Link` with `rel=\"next\"` leads to the rest.",
        ));
    OpenApiBuilder::new()
        .info(info.build())
        .paths(paths)
        .components(Some(components(options.envelope).build()))
        .build()
}

fn components(envelope: Envelope) -> ComponentsBuilder {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
    let components = ComponentsBuilder::new()
        .schema_from::<ImageItem>()
        .schema_from::<ImageList>()
        .schema_from::<ImageDetail>()
        .schema_from::<ImageCount>()
        .schema_from::<PurgedImage>()
        .schema_from::<NewImage>()
        .security_scheme(BEARER, SecurityScheme::Http(bearer.build()));
    match envelope {
        Envelope::Success => components.schema_from::<SuccessError>(),
        Envelope::Code => components.schema_from::<CodedError>(),
    }
}

fn calls(envelope: Envelope) -> Vec<Call> {
    let detail = || in_envelope::<ImageDetail>(envelope);
    let list = |path, name, summary| Call {
        path,
        method: HttpMethod::Get,
        name,
        summary,
        parameters: ListParameters::into_params(|| Some(ParameterIn::Query)),
        body: None,
        result: in_envelope::<ImageList>(envelope),
        successes: OK,
        errors: &[],
        has_pages: true,
    };
    let by_id = |path, method, name, summary, errors| Call {
        path,
        method,
        name,
        summary,
        parameters: vec![id()],
        body: None,
        result: detail(),
        successes: OK,
        errors,
        has_pages: false,
    };
    vec![
        list("/", "listImages", "The active images, newest first"),
        Call {
            path: "/",
            method: HttpMethod::Post,
            name: "createImage",
            summary: "Stores an image, once for each URL",
            parameters: Vec::new(),
            body: Some(Ref::from_schema_name(NewImage::name()).into()),
            result: detail(),
            successes: &[
                (StatusCode::CREATED, "It was stored"),
                (
                    StatusCode::OK,
                    "It was stored before; it may be in the trash",
                ),
            ],
            errors: &[
                (StatusCode::CONFLICT, "Its id is stored for another owner"),
                (StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"),
                (
                    StatusCode::REQUEST_TIMEOUT,
                    "The body did not arrive in time",
                ),
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is not JSON"),
            ],
            has_pages: false,
        },
        list(
            "/deleted/",
            "listDeletedImages",
            "The images in the trash, most recently deleted first",
        ),
        Call {
            path: "/count/",
            method: HttpMethod::Get,
            name: "countImages",
            summary: "The number of active images",
            parameters: CountParameters::into_params(|| Some(ParameterIn::Query)),
            body: None,
            result: in_envelope::<ImageCount>(envelope),
            successes: OK,
            errors: &[],
            has_pages: false,
        },
        by_id(
            "/{image_id}/",
            HttpMethod::Get,
            "getImage",
            "One image, active or in the trash",
            &[NOT_FOUND],
        ),
        by_id(
            "/{image_id}/",
            HttpMethod::Delete,
            "softDeleteImage",
            "Moves an image to the trash",
            &[NOT_FOUND],
        ),
        by_id(
            "/{image_id}/restore/",
            HttpMethod::Post,
            "restoreImage",
            "Restores an image from the trash; 400 if it is active",
            &[NOT_FOUND],
        ),
        Call {
            result: in_envelope::<PurgedImage>(envelope),
            ..by_id(
                "/{image_id}/permanent/",
                HttpMethod::Delete,
                "purgeImage",
                "Deletes an image permanently, active or in the trash",
                &[NOT_FOUND],
            )
        },
    ]
}

fn id() -> Parameter {
    let uuid = ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)));
    ParameterBuilder::new()
        .name("image_id")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .schema(Some(uuid))
        .build()
}

fn in_envelope<T: ToSchema>(envelope: Envelope) -> RefOr<Schema>
where
    Successful<T>: PartialSchema,
    Coded<T>: PartialSchema,
{
    match envelope {
        Envelope::Success => Successful::<T>::schema(),
        Envelope::Code => Coded::<T>::schema(),
    }
}

fn operation(call: Call, envelope: Envelope) -> OperationBuilder {
    let mut operation = OperationBuilder::new()
        .operation_id(Some(call.name))
        .summary(Some(call.summary))
        .parameters(Some(call.parameters))
        // Without authentication no token is needed.
        .security(SecurityRequirement::new(BEARER, Vec::<String>::new()))
        .security(SecurityRequirement::default());
    if let Some(body) = call.body {
        let body = RequestBodyBuilder::new()
            .content(JSON, ContentBuilder::new().schema(Some(body)).build())
            .required(Some(Required::True));
        operation = operation.request_body(Some(body.build()));
    }
    for (status, description) in call.successes {
        let content = ContentBuilder::new().schema(Some(call.result.clone()));
        let mut response = ResponseBuilder::new()
            .description(*description)
            .content(JSON, content.build());
        if call.has_pages {
            let link = "The next page, as `<?…>; rel=\"next\"`; absent on the last";
            response = response.header("Link", header(Type::String, link));
        }
        operation = operation.response(status.as_str(), response.build());
    }
    let common = [
        (StatusCode::BAD_REQUEST, "The request is invalid"),
        (StatusCode::UNAUTHORIZED, "A valid token is required"),
        (StatusCode::FORBIDDEN, "The caller may not do this"),
        (StatusCode::TOO_MANY_REQUESTS, "Too many requests"),
        (
            StatusCode::INTERNAL_SERVER_ERROR,
            "The server failed, and logged why",
        ),
        (StatusCode::SERVICE_UNAVAILABLE, "Try again later"),
    ];
    for (status, description) in common.iter().chain(call.errors) {
        let response = error(*status, description, envelope);
        operation = operation.response(status.as_str(), response.build());
    }
    operation
}

fn error(status: StatusCode, description: &str, envelope: Envelope) -> ResponseBuilder {
    let schema = match envelope {
        Envelope::Success => SuccessError::name(),
        Envelope::Code => CodedError::name(),
    };
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(schema)));
    let response = ResponseBuilder::new()
        .description(description)
        .content(JSON, content.build());
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            let seconds = "After how many seconds to try again";
            response.header("Retry-After", header(Type::Integer, seconds))
        }
        StatusCode::UNAUTHORIZED => {
            let challenge = "The scheme of authentication, `Bearer`";
            response.header("WWW-Authenticate", header(Type::String, challenge))
        }
        _ => response,
    }
}

fn header(kind: Type, description: &str) -> Header {
    let schema = ObjectBuilder::new().schema_type(kind).build();
    HeaderBuilder::new()
        .schema(schema)
        .description(Some(description))
        .build()
}
