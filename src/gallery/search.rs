//! stub
/// x
pub enum Search {
    /// x
    Blank,
    /// x
    Nothing,
    /// x
    Query(String),
}
/// x
pub fn parse(_t: &str) -> Search {
    Search::Blank
}
