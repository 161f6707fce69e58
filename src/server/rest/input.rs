//! Parses paths, query parameters and bodies, with an error for each field.

use std::collections::HashMap;
use std::convert::Infallible;

use axum::extract::{FromRequestParts, Path};
use axum::http::Uri;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::envelope::{Envelope, FieldErrors};
use crate::auth::{Caller, UserId};
use crate::entity::json;
use crate::gallery::intent::Intent;
use crate::gallery::{
    self, ArgumentError, Collection, Direction, Field, Filter, GivenJson, ImageId, InexactNumber,
    List, ListCursor, Order, SortKey,
};
use graphql_front::inexact_in_json;

/// Maximum number of images in a list.
pub(super) const MAX_LIST: u64 = 1000;

/// The parameters of a list.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters that `ListQuery` reads")]
pub(super) struct ListParameters {
    /// Only this owner's images. Required for users who sign in by token, and with `REST_API=code`.
    user_id: Option<String>,
    /// Only images with this label, in any letter case.
    intent: Option<String>,
    /// Maximum number of images, 1000 by default; more are cut to 1000.
    #[param(minimum = 1)]
    limit: Option<u64>,
    /// The cursor in the header `Link` of the page before.
    after: Option<String>,
}

/// The parameters of a count.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters that `ListQuery` reads")]
pub(super) struct CountParameters {
    /// Only this owner's images. Required for users who sign in by token, and with `REST_API=code`.
    user_id: Option<String>,
    /// Only images with this label, in any letter case.
    intent: Option<String>,
}

/// A list that was asked for.
#[derive(Clone, Debug)]
pub(super) struct ListQuery {
    pub(super) list: List,
    pub(super) order: Order,
    pub(super) limit: u64,
    pub(super) after: Option<SortKey>,
    /// The parameters as they were sent.
    query: String,
}

/// An image to store.
#[derive(Debug, Default, ToSchema)]
pub(super) struct NewImage {
    /// The owner, at most 255 characters; the caller by default, if signed in as a user.
    #[schema(required = false)]
    user_id: Option<String>,
    /// https Cloudinary delivery URL, at most 1024 characters, with the image's UUID in its public ID.
    #[schema(required = true, value_type = String)]
    image_url: Option<String>,
    /// The prompt that the user entered, at most 20,000 characters.
    #[schema(required = false)]
    original_prompt: Option<String>,
    /// The prompt given to the model, at most 20,000 characters.
    #[schema(required = false)]
    refined_prompt: Option<String>,
    /// A label, at most 100 characters; stored in lower case.
    #[schema(required = false)]
    intent: Option<String>,
    /// A JSON object, at most 64 KiB and 32 levels; `{}` by default.
    #[schema(required = false, value_type = Object)]
    metadata: Option<GivenMetadata>,
}

#[derive(Debug)]
struct GivenMetadata(GivenJson);

impl ListQuery {
    /// Reads the parameters of a list.
    pub(super) fn read(
        uri: &Uri,
        caller: &Caller,
        collection: Collection,
        envelope: Envelope,
    ) -> Result<Self, FieldErrors> {
        let mut parameters = Parameters::of(uri);
        let order = Order {
            field: match collection {
                Collection::Active => Field::CreatedAt,
                Collection::Trash => Field::DeletedAt,
            },
            direction: Direction::Descending,
        };
        let user_id = parameters.read("user_id", |text| {
            UserId::new(text).map_err(|error| error.to_string())
        });
        let is_user = matches!(caller, Caller::User(_));
        if user_id.is_none() && (is_user || envelope == Envelope::Code) {
            parameters.missing("user_id");
        }
        let filter = parameters.read("intent", filter).unwrap_or_default();
        let limit = parameters.read("limit", limit).unwrap_or(MAX_LIST);
        let after = parameters.read("after", |text| {
            let cursor = ListCursor::decode(text, order);
            cursor.map_err(|error| format!("{error}; take the link of the page before"))
        });
        let list = List {
            collection,
            user_id,
            filter,
        };
        parameters.finish(Self {
            list,
            order,
            limit,
            after: after.map(|cursor| cursor.sort_key),
            query: uri.query().unwrap_or_default().to_owned(),
        })
    }

    /// The query string of the page behind this cursor, which has the parameters of this one.
    pub(super) fn next(&self, cursor: ListCursor) -> String {
        let given = form_urlencoded::parse(self.query.as_bytes());
        let kept = given.filter(|(name, _)| name != "after");
        let mut next = form_urlencoded::Serializer::new(String::new());
        next.extend_pairs(kept)
            .append_pair("after", &cursor.encode())
            .finish()
    }
}

/// A known label counts as its intent, with the aliases of other applications.
fn filter(label: &str) -> Result<Filter, String> {
    let mut filter = Filter::default();
    match Intent::of_label(label) {
        Some(Intent::Other) | None => filter.intent_labels.push(label.to_owned()),
        Some(intent) => filter.intents.push(intent),
    }
    match filter.check() {
        Ok(()) => Ok(filter),
        Err(ArgumentError::NulInLabel) => Err("contains U+0000, which no label has".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn limit(text: &str) -> Result<u64, String> {
    let limit = text.parse().ok().filter(|limit| *limit > 0);
    let limit: u64 = limit.ok_or_else(|| format!("must be a whole number, 1 to {MAX_LIST}"))?;
    Ok(limit.min(MAX_LIST))
}

/// Query parameters, each of which may be given once. An empty one counts as absent.
struct Parameters {
    given: HashMap<String, String>,
    errors: FieldErrors,
}

impl Parameters {
    fn of(uri: &Uri) -> Self {
        const KNOWN: [&str; 4] = ["user_id", "intent", "limit", "after"];
        let (mut given, mut errors) = (HashMap::new(), FieldErrors::new());
        let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        for (name, value) in pairs.filter(|(_, value)| !value.is_empty()) {
            let Some(known) = KNOWN.into_iter().find(|known| *known == name) else {
                continue;
            };
            let value = value.into_owned();
            let before = given.insert(name.into_owned(), value.clone());
            if before.is_some_and(|before| before != value) {
                errors.insert(known, vec!["is given more than once".to_owned()]);
            }
        }
        Self { given, errors }
    }

    fn read<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        match read(self.given.get(name)?) {
            Ok(value) => Some(value),
            Err(error) => {
                self.errors.entry(name).or_default().push(error);
                None
            }
        }
    }

    fn missing(&mut self, name: &'static str) {
        let errors = self.errors.entry(name).or_default();
        if errors.is_empty() {
            errors.push("This field is required.".to_owned());
        }
    }

    fn finish<T>(self, value: T) -> Result<T, FieldErrors> {
        if self.errors.is_empty() {
            Ok(value)
        } else {
            Err(self.errors)
        }
    }
}

impl NewImage {
    /// Reads a body. Fields that are not known are ignored, as the replaced application does.
    pub(super) fn read(body: &[u8]) -> Result<Self, FieldErrors> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let mut fields = Fields::of(body)?;
        let image = Self {
            user_id: fields.text("user_id"),
            image_url: fields.text("image_url"),
            original_prompt: fields.text("original_prompt"),
            refined_prompt: fields.text("refined_prompt"),
            intent: fields.text("intent").filter(|label| !label.is_empty()),
            metadata: fields.metadata(),
        };
        let has_error = fields.errors.contains_key("image_url");
        if image.image_url.is_none() && !has_error {
            fields.wrong("image_url", "This field is required.");
        }
        if fields.errors.is_empty() {
            Ok(image)
        } else {
            Err(fields.errors)
        }
    }

    /// As the gallery takes it.
    pub(super) fn to_store(&self) -> gallery::NewImage {
        gallery::NewImage {
            user_id: self.user_id.clone(),
            image_url: self.image_url.clone().unwrap_or_default(),
            original_prompt: self.original_prompt.clone(),
            refined_prompt: self.refined_prompt.clone(),
            intent_label: self.intent.clone(),
            metadata: self.metadata.as_ref().map(|given| given.0.clone()),
            ..gallery::NewImage::default()
        }
    }
}

/// The fields of a JSON object.
struct Fields<'b> {
    given: HashMap<String, &'b RawValue>,
    errors: FieldErrors,
}

impl<'b> Fields<'b> {
    fn of(body: &'b [u8]) -> Result<Self, FieldErrors> {
        match serde_json::from_slice(body) {
            Ok(given) => Ok(Self {
                given,
                errors: FieldErrors::new(),
            }),
            Err(error) => {
                let message = format!("the body is not a JSON object: {error}");
                Err(FieldErrors::from([(WHOLE, vec![message])]))
            }
        }
    }

    fn text(&mut self, name: &'static str) -> Option<String> {
        self.read::<Option<String>>(name, "must be a text")
            .flatten()
    }

    fn metadata(&mut self) -> Option<GivenMetadata> {
        let text = self.given.get("metadata")?.get();
        if let Some(number) = inexact_in_json(text) {
            return Some(GivenMetadata(Err(InexactNumber(number.to_owned()))));
        }
        match json::value_of(text) {
            Ok(value) => Some(GivenMetadata(Ok(value))),
            Err(error) => {
                self.wrong("metadata", &error.to_string());
                None
            }
        }
    }

    fn read<T: DeserializeOwned>(&mut self, name: &'static str, otherwise: &str) -> Option<T> {
        let text = self.given.get(name)?;
        let value = serde_json::from_str(text.get());
        if value.is_err() {
            self.wrong(name, otherwise);
        }
        value.ok()
    }

    fn wrong(&mut self, name: &'static str, message: &str) {
        self.errors
            .entry(name)
            .or_default()
            .push(message.to_owned());
    }
}

/// The id in a path; none if it is malformed, so that it is of no image.
pub(super) struct PathId(pub(super) Option<ImageId>);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Infallible;

    async fn from_request_parts(head: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let text = Path::<String>::from_request_parts(head, state).await;
        Ok(Self(text.ok().and_then(|Path(id)| ImageId::parse(&id))))
    }
}

/// The key of errors that concern no single field.
pub(super) const WHOLE: &str = "non_field_errors";
