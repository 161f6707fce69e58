//! Changes of an image's metadata: a replacement, or a JSON merge patch (<https://www.rfc-editor.org/rfc/rfc7396>). The patch
//! is applied to the stored text, so that members which it does not name keep their exact form: numbers of other applications
//! may have more digits than this program can represent.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};

use super::change::Change;
use super::input::{GivenJson, check_metadata, check_nul, check_object};
use super::{Image, InputError, InputField, Refusal};
use crate::entity::Metadata;

/// A change of metadata, checked as far as possible without the stored image.
#[derive(Clone, Debug)]
pub(super) enum MetadataChange {
    Keep,
    Replace(Map<String, Json>),
    Patch(Map<String, Json>),
}

impl MetadataChange {
    pub(super) fn check(
        metadata: Change<GivenJson>,
        patch: Option<GivenJson>,
    ) -> Result<Self, InputError> {
        let Some(patch) = patch else {
            return match metadata {
                Change::Keep => Ok(Self::Keep),
                Change::Clear => Ok(Self::Replace(Map::new())),
                Change::Set(metadata) => metadata
                    .map_err(Refusal::from)
                    .and_then(|metadata| check_metadata(&metadata).cloned())
                    .map(Self::Replace)
                    .map_err(|refusal| InputError::of(InputField::Metadata, refusal)),
            };
        };
        let refused = |refusal| InputError::of(InputField::MetadataPatch, refusal);
        if metadata != Change::Keep {
            return Err(refused(Refusal::Metadata(
                "cannot be given together with metadata; send one of them".to_owned(),
            )));
        }
        let patch = patch.map_err(|number| refused(number.into()))?;
        let Json::Object(patch) = patch else {
            return Err(refused(Refusal::Metadata(
                "must be a JSON object: the result must be one".to_owned(),
            )));
        };
        // A patch adds at least this to any object: errors in it do not depend on the stored image.
        check_object(&added(&patch))
            .and_then(|()| check_nul(&patch))
            .map_err(refused)?;
        Ok(Self::Patch(patch))
    }

    /// The new metadata; none where it equals the stored one.
    pub(super) fn apply(&self, stored: &Image) -> Result<Option<Metadata>, InputError> {
        let result = match self {
            Self::Keep => return Ok(None),
            Self::Replace(object) => Metadata::of(object),
            Self::Patch(patch) => Metadata::from_json(merged(stored.metadata.as_str(), patch)),
        };
        if let Self::Patch(_) = self {
            check_object(&result.read())
                .map_err(|refusal| InputError::of(InputField::MetadataPatch, refusal))?;
        }
        Ok((!result.is_same(&stored.metadata)).then_some(result))
    }
}

/// Applies a patch to the text of an object and returns text; a value that is not an object counts as an empty object.
fn merged(target: &str, patch: &Map<String, Json>) -> String {
    let mut members: BTreeMap<String, Box<RawValue>> =
        serde_json::from_str(target).unwrap_or_default();
    for (key, value) in patch {
        let text = match value {
            Json::Null => {
                members.remove(key);
                continue;
            }
            Json::Object(patch) => {
                merged(members.get(key).map_or("{}", |inner| inner.get()), patch)
            }
            value => value.to_string(),
        };
        if let Ok(raw) = RawValue::from_string(text) {
            members.insert(key.clone(), raw);
        }
    }
    serde_json::to_string(&members).unwrap_or_default()
}

/// Applies a patch to an empty object.
fn added(patch: &Map<String, Json>) -> Map<String, Json> {
    let kept = patch.iter().filter_map(|(key, value)| {
        let value = match value {
            Json::Null => return None,
            Json::Object(patch) => Json::Object(added(patch)),
            value => value.clone(),
        };
        Some((key.clone(), value))
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn merges_as_rfc_7396_does() {
        let cases = [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": "b"}),
                json!({"b": "c"}),
                json!({"a": "b", "b": "c"}),
            ),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (
                json!({"a": [{"b": "c"}]}),
                json!({"a": [1]}),
                json!({"a": [1]}),
            ),
            (
                json!({}),
                json!({"a": {"bb": {"ccc": null}}}),
                json!({"a": {"bb": {}}}),
            ),
            (
                json!({"a": 1}),
                json!({"a": {"b": 2}}),
                json!({"a": {"b": 2}}),
            ),
            (json!([1, 2]), json!({"a": 1}), json!({"a": 1})),
        ];
        for (target, patch, expected) in cases {
            let Json::Object(patch) = patch else {
                panic!("the patches are objects");
            };
            let text = merged(&target.to_string(), &patch);
            assert_eq!(text, expected.to_string(), "{patch:?}");
            if target == json!({}) {
                assert_eq!(Json::Object(added(&patch)), expected, "{patch:?}");
            }
        }
    }

    #[test]
    fn what_a_patch_does_not_name_keeps_every_digit() {
        let stored = r#"{"a": 1e400, "b": {"c": 0.1234567890123456789012345, "d": 1}}"#;
        let Json::Object(patch) = json!({"b": {"d": 2}, "e": 3}) else {
            panic!("the patch is an object");
        };
        let expected = r#"{"a":1e400,"b":{"c":0.1234567890123456789012345,"d":2},"e":3}"#;
        assert_eq!(merged(stored, &patch), expected);
    }
}
