//! The calls on lists of images.

use axum::extract::{Request, State as Extract};
use axum::http::StatusCode;
use axum::response::Response;
use futures_util::FutureExt;

use super::Rest;
use super::call::{Answer, answer};
use super::handlers::{head_of, read};
use super::input::ListQuery;
use super::representation::{ImageCount, ImageItem, ImageList};
use crate::auth::Caller;
use crate::gallery::{
    self, Collection, End, Gallery, ImageGroup, ListCursor, Page, PartialImage, Parts as ListParts,
};

/// Images that are read at once.
const READ_AT_ONCE: u64 = 100;
/// A list ends early once its images take so much, and links to the rest: other applications may have stored long prompts.
const LIST_BYTES: usize = 8 * 1024 * 1024;

/// `GET /`
pub(super) async fn list(Extract(rest): Extract<Rest>, request: Request) -> Response {
    list_of(&rest, request, Collection::Active).await
}

/// `GET /deleted/`
pub(super) async fn list_deleted(Extract(rest): Extract<Rest>, request: Request) -> Response {
    list_of(&rest, request, Collection::Trash).await
}

async fn list_of(rest: &Rest, request: Request, collection: Collection) -> Response {
    let head = head_of(request);
    let labels = read(match collection {
        Collection::Active => "listImages",
        Collection::Trash => "listDeletedImages",
    });
    let query =
        |caller: &Caller| ListQuery::read(&head.uri, caller, collection, rest.options.envelope);
    answer(rest, &head, labels, query, |gallery, caller, query| {
        async move {
            let (items, next) = page(gallery, caller, query).await?;
            let message = match query.list.collection {
                Collection::Active => "Images retrieved",
                Collection::Trash => "Deleted images retrieved",
            };
            let answer = Answer::new(StatusCode::OK, message, &ImageList(items))?;
            Ok(Ok(answer.with_next(next.map(|cursor| query.next(cursor)))))
        }
        .boxed()
    })
    .await
}

/// The images of a list, and the cursor behind them if there are more.
async fn page(
    gallery: &Gallery,
    caller: &Caller,
    query: &ListQuery,
) -> Result<(Vec<ImageItem>, Option<ListCursor>), gallery::Error> {
    let parts = ListParts {
        columns: ImageItem::COLUMNS,
        total_count: false,
        has_before: false,
        has_behind: false,
    };
    let mut items: Vec<ImageItem> = Vec::new();
    let (mut after, mut left, mut bytes) = (query.after, query.limit, 0);
    loop {
        let page = Page {
            order: query.order,
            after,
            before: None,
            limit: left.min(READ_AT_ONCE),
            end: End::Front,
        };
        let slice = gallery.list(caller, &query.list, &page, parts).await?;
        let id = |image: &PartialImage| image.image_id.try_as_ref().copied();
        let group = ImageGroup::new(slice.images.iter().filter_map(id));
        for image in &slice.images {
            let tags = match id(image) {
                Some(id) => gallery.tags_of(caller, &group, id).await?,
                None => &[],
            };
            let item = ImageItem::of(image, tags)?;
            bytes += item.size_bytes();
            items.push(item);
        }
        left -= page.limit;
        let last = slice.images.last();
        let cursor = last.and_then(|image| ListCursor::of(query.order, image));
        let Some(cursor) = cursor.filter(|_| slice.has_more) else {
            return Ok((items, None));
        };
        if left == 0 || bytes > LIST_BYTES {
            return Ok((items, Some(cursor)));
        }
        after = Some(cursor.sort_key);
    }
}

/// `GET /count/`
pub(super) async fn count(Extract(rest): Extract<Rest>, request: Request) -> Response {
    let head = head_of(request);
    let query = |caller: &Caller| {
        ListQuery::read(&head.uri, caller, Collection::Active, rest.options.envelope)
    };
    answer(
        &rest,
        &head,
        read("countImages"),
        query,
        |gallery, caller, query| {
            async move {
                let count = gallery.count(caller, &query.list).await?;
                Ok(Ok(Answer::new(
                    StatusCode::OK,
                    "Images counted",
                    &ImageCount { count },
                )?))
            }
            .boxed()
        },
    )
    .await
}
