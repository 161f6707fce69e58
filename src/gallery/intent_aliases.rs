//! Labels of another application that count as a known intent when images are read. Stored labels do not change.

use std::collections::BTreeMap;

use super::input::MAX_LABEL_CHARACTERS;
use super::intent::Intent;

/// Maximum number of aliases.
const MAX_ALIASES: usize = 100;

/// The known intent of each such label.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntentAliases(BTreeMap<String, Intent>);

impl IntentAliases {
    /// Parses pairs such as `upscale=enhance,image_edit=edit`, labels and intents in any letter case. The error completes
    /// a sentence that begins with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut aliases = BTreeMap::new();
        for pair in text.split(',') {
            let (label, intent) = parse_pair(pair)?;
            if aliases.insert(label.clone(), intent).is_some() {
                return Err(format!("names the label `{label}` twice"));
            }
        }
        if aliases.len() > MAX_ALIASES {
            return Err(format!(
                "has {} labels; at most {MAX_ALIASES} are allowed",
                aliases.len()
            ));
        }
        Ok(Self(aliases))
    }

    /// What a stored label counts as, in any letter case; none for the empty label.
    pub fn intent_of(&self, label: &str) -> Option<Intent> {
        match Intent::of_label(label) {
            Some(Intent::Other) if !self.0.is_empty() => {
                let alias = self.0.get(&label.to_lowercase());
                Some(alias.copied().unwrap_or(Intent::Other))
            }
            intent => intent,
        }
    }

    /// Every label that counts as one of these intents; none for [`Intent::Other`].
    pub(super) fn labels_of<'l>(&'l self, intents: &'l [Intent]) -> impl Iterator<Item = &'l str> {
        let own = intents.iter().filter_map(|intent| intent.label());
        let aliases = self.0.iter();
        let aliases = aliases.filter(|(_, intent)| intents.contains(intent));
        own.chain(aliases.map(|(label, _)| label.as_str()))
    }

    /// Every label that does not count as [`Intent::Other`].
    pub(super) fn known_labels(&self) -> impl Iterator<Item = &str> {
        let aliases = self.0.keys().map(String::as_str);
        Intent::KNOWN_LABELS.into_iter().chain(aliases)
    }
}

fn parse_pair(pair: &str) -> Result<(String, Intent), String> {
    let allowed = "allowed are pairs like upscale=enhance, separated by commas, with generate, edit or enhance behind the =";
    let (label, intent) = pair
        .rsplit_once('=')
        .ok_or_else(|| format!("has `{}`, which is not a pair; {allowed}", pair.trim()))?;
    let label = label.trim().to_lowercase();
    if label.is_empty() || label.chars().count() > MAX_LABEL_CHARACTERS {
        return Err(format!(
            "has `{}`, whose label is blank or longer than {MAX_LABEL_CHARACTERS} characters; {allowed}",
            pair.trim()
        ));
    }
    if Intent::of_label(&label) != Some(Intent::Other) {
        return Err(format!(
            "has `{}`, but the label `{label}` is an intent itself; {allowed}",
            pair.trim()
        ));
    }
    match Intent::of_label(intent.trim()) {
        Some(intent) if intent != Intent::Other => Ok((label, intent)),
        _ => Err(format!(
            "has `{}`, but `{}` is not an intent; {allowed}",
            pair.trim(),
            intent.trim()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_counts_whatever_its_letter_case() {
        let aliases = IntentAliases::parse("image_generation=generate, Äpfel = EDIT");
        let aliases = aliases.expect("pairs");
        for (label, expected) in [
            ("image_generation", Some(Intent::Generate)),
            ("IMAGE_Generation", Some(Intent::Generate)),
            ("äPFEL", Some(Intent::Edit)),
            ("Enhance", Some(Intent::Enhance)),
            ("upscale", Some(Intent::Other)),
            ("", None),
        ] {
            assert_eq!(aliases.intent_of(label), expected, "{label}");
        }
    }

    #[test]
    fn what_is_no_pair_is_named() {
        for (text, reason) in [
            ("upscale", "`upscale`, which is not a pair"),
            ("a=edit,,b=edit", "``, which is not a pair"),
            ("=edit", "`=edit`, whose label is blank"),
            ("upscale=other", "`other` is not an intent"),
            ("upscale=", "`` is not an intent"),
            ("Generate=edit", "the label `generate` is an intent itself"),
            ("a=edit,A=enhance", "names the label `a` twice"),
        ] {
            let error = IntentAliases::parse(text).expect_err(text);
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
