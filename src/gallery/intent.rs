//! Intents: three that the pipeline knows, and the labels of other applications.

/// The intent that a label means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Intent {
    /// `generate`
    Generate,
    /// `edit`
    Edit,
    /// `enhance`
    Enhance,
    /// Any other label.
    Other,
}

impl Intent {
    /// The labels of the known intents.
    pub const KNOWN_LABELS: [&'static str; 3] = ["generate", "edit", "enhance"];

    /// The label that is stored; none for [`Intent::Other`].
    pub fn label(self) -> Option<&'static str> {
        match self {
            Self::Generate => Some("generate"),
            Self::Edit => Some("edit"),
            Self::Enhance => Some("enhance"),
            Self::Other => None,
        }
    }

    /// The intent of a stored label, in any letter case; none for the empty label.
    pub fn of_label(label: &str) -> Option<Self> {
        match label.to_lowercase().as_str() {
            "" => None,
            "generate" => Some(Self::Generate),
            "edit" => Some(Self::Edit),
            "enhance" => Some(Self::Enhance),
            _ => Some(Self::Other),
        }
    }
}

/// Why an intent and a label are invalid together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntentError {
    /// [`Intent::Other`] without a label.
    #[error("another intent than the known ones needs a label")]
    LabelMissing,
    /// The label is blank.
    #[error("the label must not be blank")]
    BlankLabel,
    /// The label is an alias of another intent.
    #[error("the intent and the label `{0}` contradict each other")]
    Contradiction(String),
}

/// The label to store, in lower case.
pub fn label_to_store(
    intent: Option<Intent>,
    label: Option<&str>,
) -> Result<Option<String>, IntentError> {
    let Some(label) = label else {
        return match intent {
            Some(Intent::Other) => Err(IntentError::LabelMissing),
            Some(known) => Ok(known.label().map(str::to_owned)),
            None => Ok(None),
        };
    };
    if label.trim().is_empty() {
        return Err(IntentError::BlankLabel);
    }
    let stands_for = Intent::of_label(label);
    if intent.is_some() && intent != stands_for {
        return Err(IntentError::Contradiction(label.to_owned()));
    }
    Ok(Some(label.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intent_and_label_are_one_thing() {
        use Intent::{Edit, Generate, Other};
        let stored = |label: &str| Ok(Some(label.to_owned()));
        let accepted = [
            (None, None, Ok(None)),
            (Some(Generate), None, stored("generate")),
            (None, Some("Generate"), stored("generate")),
            (Some(Edit), Some("EDIT"), stored("edit")),
            (Some(Other), Some("Upscale"), stored("upscale")),
            (None, Some("Äpfel"), stored("äpfel")),
        ];
        for (intent, label, expected) in accepted {
            assert_eq!(
                label_to_store(intent, label),
                expected,
                "{intent:?} {label:?}"
            );
        }
        for (intent, label) in [
            (Some(Other), None),
            (Some(Other), Some("edit")),
            (Some(Edit), Some("upscale")),
            (None, Some(" ")),
        ] {
            assert!(
                label_to_store(intent, label).is_err(),
                "{intent:?} {label:?}"
            );
        }
    }
}
