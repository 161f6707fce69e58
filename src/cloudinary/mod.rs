//! What Cloudinary's URLs mean, <https://cloudinary.com/documentation/image_transformations>. Pure: nothing is fetched.

pub mod hosts;
pub mod transform;
pub mod url;
