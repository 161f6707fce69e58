//! Parses and builds Cloudinary's URLs, <https://cloudinary.com/documentation/image_transformations>. Pure: fetches
//! nothing.

pub mod hosts;
pub mod transform;
pub mod url;
