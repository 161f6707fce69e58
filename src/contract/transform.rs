//! `ImageTransform`: how Cloudinary delivers an image.

use async_graphql::{Enum, InputObject};

use super::error::{Failure, Result};
use crate::cloudinary::transform::{Crop, Format, Gravity, Transform};

/// How the image is brought to the width and height asked for.
#[derive(Clone, Copy, Debug, Enum, PartialEq, Eq)]
#[graphql(remote = "Crop")]
pub(super) enum ImageCrop {
    /// Fills the size exactly; what does not fit is cut off.
    Fill,
    /// As large as fits within the size, also larger than it is stored.
    Fit,
    /// As large as fits within the size, but never larger than it is stored.
    Limit,
    /// Stretched to the size exactly.
    Scale,
    /// Cut out around the `gravity`, for thumbnails.
    Thumb,
    /// Fits within the size; the rest is filled with background.
    Pad,
}

/// Which part of the image stays in sight when it is cut or padded (`FILL`, `THUMB`, `PAD`); other crops pay it no
/// heed.
#[derive(Clone, Copy, Debug, Enum, PartialEq, Eq)]
#[graphql(remote = "Gravity")]
pub(super) enum ImageGravity {
    /// What Cloudinary finds most interesting; not with `PAD`.
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

/// The file format of a delivered image.
#[derive(Clone, Copy, Debug, Enum, PartialEq, Eq)]
#[graphql(remote = "Format")]
pub(super) enum ImageFormat {
    /// The best one that the browser takes.
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

/// How Cloudinary is to deliver the asset. A value out of its range is `BAD_USER_INPUT`.
#[derive(Clone, Debug, InputObject)]
pub(super) struct ImageTransform {
    /// Pixels, 1 to 10000.
    width: Option<i32>,
    /// Pixels, 1 to 10000.
    height: Option<i32>,
    /// How the image is brought to that size; of no effect when neither width nor height is given.
    #[graphql(default_with = "Some(ImageCrop::Limit)")]
    crop: Option<ImageCrop>,
    /// Which part stays in sight when the crop cuts or pads.
    gravity: Option<ImageGravity>,
    /// 1 to 100; omitted means automatic.
    quality: Option<i32>,
    /// File format; AUTO is the best one that the browser takes.
    #[graphql(default_with = "Some(ImageFormat::Auto)")]
    format: Option<ImageFormat>,
}

impl ImageTransform {
    /// Checks the ranges.
    pub(super) fn checked(&self) -> Result<Transform> {
        Transform::new(
            self.width,
            self.height,
            self.crop.unwrap_or(ImageCrop::Limit).into(),
            self.gravity.map(Into::into),
            self.quality,
            self.format.unwrap_or(ImageFormat::Auto).into(),
        )
        .map_err(|error| Failure::bad_input(format!("transform.{error}")))
    }
}
