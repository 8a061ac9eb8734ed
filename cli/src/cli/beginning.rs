// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The beginning of an id, as somebody typed it.

/// Fewest digits that name something.
pub(super) const MIN_DIGITS: usize = 4;
/// Digits of a whole id.
const ALL_DIGITS: usize = 32;

/// The hex digits of a text that is the beginning of an id; dashes do not count.
pub(super) fn beginning_of(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let plausible = (MIN_DIGITS..ALL_DIGITS).contains(&digits.len())
        && digits.bytes().all(|b| b.is_ascii_hexdigit())
        && !text.starts_with('-');
    plausible.then(|| digits.to_lowercase())
}

/// Whether an id begins with these digits.
pub(super) fn begins(id: [u8; 16], digits: &str) -> bool {
    hex::encode(id).starts_with(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_is_four_digits_or_more_and_not_the_whole_id() {
        for (text, digits) in [("5a5a", "5a5a"), ("5A5A5a5a-5a", "5a5a5a5a5a")] {
            assert_eq!(beginning_of(text).as_deref(), Some(digits));
            assert!(begins([0x5a; 16], digits));
            assert!(!begins([0x5b; 16], digits));
        }
        let whole = "5a".repeat(16);
        for text in ["", "5a5", "xyzw", "-5a5a", "order", "5a5a 5a5a", &whole] {
            assert_eq!(beginning_of(text), None, "{text}");
        }
    }
}
