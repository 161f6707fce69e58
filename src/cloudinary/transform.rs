//! Adds transformations to URLs, <https://cloudinary.com/documentation/transformation_reference>.

use std::ops::RangeInclusive;

/// How an image is fitted to its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crop {
    /// Exactly; the excess is cut off.
    Fill,
    /// As large as fits.
    Fit,
    /// As large as fits, not enlarged.
    Limit,
    /// Exactly, stretched.
    Scale,
    /// Cropped around the gravity.
    Thumb,
    /// As large as fits, the rest padded.
    Pad,
}

/// Which part stays visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gravity {
    /// The most interesting part, as Cloudinary detects it.
    Auto,
    /// The centre.
    Center,
    /// The largest face.
    Face,
    /// The top.
    North,
    /// The bottom.
    South,
    /// The right.
    East,
    /// The left.
    West,
}

/// The file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The best format that the browser supports.
    Auto,
    /// JPEG.
    Jpg,
    /// PNG.
    Png,
    /// WebP.
    Webp,
    /// AVIF.
    Avif,
}

/// A transformation within Cloudinary's ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transform {
    width: Option<i32>,
    height: Option<i32>,
    crop: Crop,
    gravity: Option<Gravity>,
    quality: Option<i32>,
    format: Format,
}

/// A number that is out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {value} is not in {first} to {last}")]
pub struct OutOfRange {
    name: &'static str,
    value: i32,
    first: i32,
    last: i32,
}

impl Transform {
    /// Checks the numbers: width and height 1 to 10000 pixels, quality 1 to 100.
    pub fn new(
        width: Option<i32>,
        height: Option<i32>,
        crop: Crop,
        gravity: Option<Gravity>,
        quality: Option<i32>,
        format: Format,
    ) -> Result<Self, OutOfRange> {
        const PIXELS: RangeInclusive<i32> = 1..=10_000;
        check("width", width, PIXELS)?;
        check("height", height, PIXELS)?;
        check("quality", quality, 1..=100)?;
        Ok(Self {
            width,
            height,
            crop,
            gravity,
            quality,
            format,
        })
    }

    /// The parameters in alphabetical order, as in Cloudinary's SDKs.
    fn parameters(&self) -> String {
        // Cloudinary rejects a crop without a size, and a gravity with a crop that ignores it.
        let crop = (self.width.is_some() || self.height.is_some()).then_some(self.crop);
        let gravity = self
            .gravity
            .filter(|gravity| crop.is_some_and(|crop| crop.takes(*gravity)));
        let parameters = [
            crop.map(|crop| format!("c_{}", crop.name())),
            Some(format!("f_{}", self.format.name())),
            gravity.map(|gravity| format!("g_{}", gravity.name())),
            self.height.map(|height| format!("h_{height}")),
            Some(
                self.quality
                    .map_or("q_auto".to_owned(), |quality| format!("q_{quality}")),
            ),
            self.width.map(|width| format!("w_{width}")),
        ];
        let parameters: Vec<String> = parameters.into_iter().flatten().collect();
        parameters.join(",")
    }
}

fn check(
    name: &'static str,
    value: Option<i32>,
    range: RangeInclusive<i32>,
) -> Result<(), OutOfRange> {
    match value {
        Some(value) if !range.contains(&value) => Err(OutOfRange {
            name,
            value,
            first: *range.start(),
            last: *range.end(),
        }),
        _ => Ok(()),
    }
}

impl Crop {
    fn takes(self, gravity: Gravity) -> bool {
        match self {
            Self::Fill | Self::Thumb => true,
            Self::Pad => gravity != Gravity::Auto,
            Self::Fit | Self::Limit | Self::Scale => false,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Fill => "fill",
            Self::Fit => "fit",
            Self::Limit => "limit",
            Self::Scale => "scale",
            Self::Thumb => "thumb",
            Self::Pad => "pad",
        }
    }
}

impl Gravity {
    fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Center => "center",
            Self::Face => "face",
            Self::North => "north",
            Self::South => "south",
            Self::East => "east",
            Self::West => "west",
        }
    }
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Jpg => "jpg",
            Self::Png => "png",
            Self::Webp => "webp",
            Self::Avif => "avif",
        }
    }
}

/// The URL of the same asset with a transformation: the parameters follow `/upload/`, before any existing ones. A
/// signed URL would become invalid, and one without `/upload/` supports no transformation: both are returned unchanged.
pub fn delivery_url(stored: &str, transform: &Transform) -> String {
    let unchanged = || stored.to_owned();
    let path_end = stored.find(['?', '#']).unwrap_or(stored.len());
    let Some(path) = stored.get(..path_end) else {
        return unchanged();
    };
    let Some(place) = behind_upload(path) else {
        return unchanged();
    };
    let (before, after) = stored.split_at(place);
    let rest_of_path = path.get(place..).unwrap_or_default();
    if rest_of_path.split('/').any(is_signature) {
        return unchanged();
    }
    format!("{before}{}/{after}", transform.parameters())
}

/// The offset after `/upload/`. The first path segment is a cloud's name or a resource type, never the delivery type.
fn behind_upload(url: &str) -> Option<usize> {
    const UPLOAD: &str = "/upload/";
    let authority = url.find("://")? + "://".len();
    let path = authority + url.get(authority..)?.find('/')?;
    let behind_first_segment = path + 1 + url.get(path + 1..)?.find('/')?;
    let upload = url.get(behind_first_segment..)?.find(UPLOAD)?;
    Some(behind_first_segment + upload + UPLOAD.len())
}

fn is_signature(segment: &str) -> bool {
    segment.len() > "s----".len() && segment.starts_with("s--") && segment.ends_with("--")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAIN: Transform = Transform {
        width: None,
        height: None,
        crop: Crop::Limit,
        gravity: None,
        quality: None,
        format: Format::Auto,
    };

    #[test]
    fn parameters_are_in_alphabetical_order() {
        let cases = [
            (PLAIN, "f_auto,q_auto"),
            (
                Transform {
                    width: Some(300),
                    ..PLAIN
                },
                "c_limit,f_auto,q_auto,w_300",
            ),
            (
                Transform {
                    width: Some(300),
                    height: Some(200),
                    crop: Crop::Fill,
                    gravity: Some(Gravity::Face),
                    quality: Some(80),
                    format: Format::Webp,
                },
                "c_fill,f_webp,g_face,h_200,q_80,w_300",
            ),
            (
                Transform {
                    gravity: Some(Gravity::Face),
                    crop: Crop::Fill,
                    ..PLAIN
                },
                "f_auto,q_auto",
            ),
            (
                Transform {
                    height: Some(9),
                    gravity: Some(Gravity::Auto),
                    crop: Crop::Pad,
                    ..PLAIN
                },
                "c_pad,f_auto,h_9,q_auto",
            ),
            (
                Transform {
                    height: Some(9),
                    gravity: Some(Gravity::North),
                    crop: Crop::Pad,
                    ..PLAIN
                },
                "c_pad,f_auto,g_north,h_9,q_auto",
            ),
        ];
        for (transform, expected) in cases {
            assert_eq!(transform.parameters(), expected);
        }
    }

    #[test]
    fn the_parameters_go_right_behind_upload() {
        let cases = [
            (
                "https://res.cloudinary.com/demo/image/upload/v1/a.png",
                "https://res.cloudinary.com/demo/image/upload/f_auto,q_auto/v1/a.png",
            ),
            (
                "https://res.cloudinary.com/demo/image/upload/w_9/a.png?b=/upload/",
                "https://res.cloudinary.com/demo/image/upload/f_auto,q_auto/w_9/a.png?b=/upload/",
            ),
            (
                "https://res.cloudinary.com/upload/image/upload/upload/a.png",
                "https://res.cloudinary.com/upload/image/upload/f_auto,q_auto/upload/a.png",
            ),
            (
                "https://acme-res.cloudinary.com/image/upload/a.png",
                "https://acme-res.cloudinary.com/image/upload/f_auto,q_auto/a.png",
            ),
        ];
        for (stored, expected) in cases {
            assert_eq!(delivery_url(stored, &PLAIN), expected);
        }
    }

    #[test]
    fn signed_urls_and_those_without_upload_stay_as_they_are() {
        for stored in [
            "https://res.cloudinary.com/demo/image/upload/s--AbC_1-x--/v1/a.png",
            "https://res.cloudinary.com/demo/image/fetch/a.png",
            "https://res.cloudinary.com/upload/a.png",
            "https://res.cloudinary.com/demo/a.png?/image/upload/",
            "/image/upload/a.png",
            "",
        ] {
            assert_eq!(delivery_url(stored, &PLAIN), stored);
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused_by_name() {
        let new =
            |width, quality| Transform::new(width, None, Crop::Limit, None, quality, Format::Auto);
        assert!(new(Some(10_000), Some(100)).is_ok());
        let message =
            |outcome: Result<Transform, OutOfRange>| outcome.expect_err("out of range").to_string();
        assert_eq!(message(new(Some(0), None)), "width: 0 is not in 1 to 10000");
        assert_eq!(
            message(new(Some(10_001), None)),
            "width: 10001 is not in 1 to 10000"
        );
        assert_eq!(
            message(new(None, Some(101))),
            "quality: 101 is not in 1 to 100"
        );
    }

    proptest! {
        #[test]
        fn no_stored_text_breaks_it(stored: String, tail in "\\PC{0,40}") {
            let _ = delivery_url(&stored, &PLAIN);
            let url = format!("https://res.cloudinary.com/demo/image/upload/{tail}");
            prop_assert!(delivery_url(&url, &PLAIN).ends_with(&tail));
        }
    }
}
