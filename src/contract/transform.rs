//! `ImageTransform`: how Cloudinary delivers an image.

use async_graphql::{Enum, InputObject};

use super::error::{Failure, Result};
use crate::cloudinary::transform::{Crop, Format, Gravity, Transform};

/// How the image is fitted to the requested width and height.
#[derive(Clone, Copy, Debug, Enum, PartialEq, Eq)]
#[graphql(remote = "Crop")]
pub(super) enum ImageCrop {
    /// Fills the size exactly; the excess is cut off.
    Fill,
    /// As large as fits in the size, even if larger than stored.
    Fit,
    /// As large as fits in the size, but not larger than stored.
    Limit,
    /// Stretched to the size exactly.
    Scale,
    /// Cropped around the `gravity`, for thumbnails.
    Thumb,
    /// Fits in the size; the rest is filled with background.
    Pad,
}

/// Which part of the image stays visible when it is cropped or padded (`FILL`, `THUMB`, `PAD`); other crops ignore it.
#[derive(Clone, Copy, Debug, Enum, PartialEq, Eq)]
#[graphql(remote = "Gravity")]
pub(super) enum ImageGravity {
    /// The most interesting part, as Cloudinary detects it; not with `PAD`.
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

/// How Cloudinary delivers the asset. A value out of range is `BAD_USER_INPUT`.
#[derive(Clone, Debug, InputObject)]
pub(super) struct ImageTransform {
    /// Pixels, 1 to 10000.
    width: Option<i32>,
    /// Pixels, 1 to 10000.
    height: Option<i32>,
    /// How the image is fitted to the size; has no effect without width and height.
    #[graphql(default_with = "Some(ImageCrop::Limit)")]
    crop: Option<ImageCrop>,
    /// Which part stays visible when the image is cropped or padded.
    gravity: Option<ImageGravity>,
    /// 1 to 100; omitted means automatic.
    quality: Option<i32>,
    /// File format; AUTO is the best one that the browser supports.
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
