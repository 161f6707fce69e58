//! A tag: how it is spelled, and which spellings are equal. Decided here and not in the database, so that both databases
//! agree, whatever their locale.

use unicode_normalization::UnicodeNormalization;

/// Maximum length of a tag in Unicode scalar values.
pub const MAX_TAG_CHARACTERS: usize = 100;

/// A valid tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    spelling: String,
    folded: String,
}

/// Why a text is not a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// Nothing but white space.
    #[error("must not be blank")]
    Blank,
    /// Contains U+0000.
    #[error("contains U+0000, which cannot be stored")]
    Nul,
    /// Too long.
    #[error("has {0} characters; at most {MAX_TAG_CHARACTERS} are allowed")]
    TooLong(usize),
}

impl Tag {
    /// Reads a tag: in normalisation form C, without white space at both ends.
    pub fn new(text: &str) -> Result<Self, TagError> {
        if text.contains('\0') {
            return Err(TagError::Nul);
        }
        let spelling: String = text.trim().nfc().collect();
        if spelling.is_empty() {
            return Err(TagError::Blank);
        }
        let characters = spelling.chars().count();
        if characters > MAX_TAG_CHARACTERS {
            return Err(TagError::TooLong(characters));
        }
        let folded = folded(&spelling);
        Ok(Self { spelling, folded })
    }

    /// As it was written.
    pub fn spelling(&self) -> &str {
        &self.spelling
    }

    /// Without letter case: equal for equal tags.
    pub fn folded(&self) -> &str {
        &self.folded
    }
}

/// The text without letter case. Over the capital letter, because some letters have a common one (σ and ς), or one of
/// several letters (ß and SS).
pub(super) fn folded(text: &str) -> String {
    let letters = text.nfc().flat_map(char::to_lowercase);
    let capitals = letters.flat_map(char::to_uppercase);
    capitals.flat_map(char::to_lowercase).nfc().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tags_are_equal_whatever_their_letter_case_and_composition() {
        for (one, other) in [
            ("Cat", "cAT"),
            ("ÄPFEL", "äpfel"),
            ("\u{e9}t\u{e9}", "E\u{301}TE\u{301}"),
            ("ΟΔΟΣ", "οδος"),
            ("Straße", "STRASSE"),
            ("ẞ", "ss"),
            ("\u{fb01}n", "FIN"),
            ("\u{212b}", "å"),
            ("Ǆ", "ǆ"),
            ("ПРИВЕТ", "привет"),
            ("𐐀", "𐐨"),
            (" cat\u{2003}", "cat"),
        ] {
            let fold = |text| Tag::new(text).map(|tag| tag.folded);
            assert_eq!(fold(one), fold(other), "{one} {other}");
        }
        for (one, other) in [("e", "é"), ("cat", "cats"), ("日", "日本"), ("a b", "ab")] {
            assert_ne!(Tag::new(one), Tag::new(other), "{one} {other}");
        }
    }

    #[test]
    fn blank_texts_and_long_ones_are_no_tags() {
        assert_eq!(Tag::new(""), Err(TagError::Blank));
        assert_eq!(Tag::new(" \t\u{a0}"), Err(TagError::Blank));
        assert_eq!(Tag::new("a\0"), Err(TagError::Nul));
        assert_eq!(Tag::new(&"é".repeat(101)), Err(TagError::TooLong(101)));
        // As many characters once they are composed.
        assert!(Tag::new(&"e\u{301}".repeat(100)).is_ok());
    }

    proptest! {
        #[test]
        fn the_letter_case_of_any_text_does_not_matter(text: String) {
            let fold = folded(&text);
            prop_assert_eq!(&folded(&fold), &fold);
            prop_assert_eq!(&folded(&text.to_uppercase()), &fold);
            prop_assert_eq!(&folded(&text.to_lowercase()), &fold);
        }
    }
}
