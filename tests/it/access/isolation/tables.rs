//! Every field and argument of the schema, and Alice's calls. `"BOB_…"` and `"ALICE_…"` stand for values of their
//! images.

/// Alice's queries.
pub(super) const QUERIES: &[(&str, &[&str])] = &[
    (
        "node",
        &[
            r#"(id: "BOB_ACTIVE")"#,
            r#"(id: "BOB_TRASHED")"#,
            r#"(id: "BOB_EVENT")"#,
        ],
    ),
    (
        "nodes",
        &[r#"(ids: ["BOB_ACTIVE", "ALICE_ACTIVE", "BOB_TRASHED", "BOB_EVENT"])"#],
    ),
    (
        "image",
        &[
            r#"(id: "BOB_ACTIVE")"#,
            r#"(id: "BOB_TRASHED", includeDeleted: true)"#,
        ],
    ),
    ("images", LIST),
    ("deletedImages", LIST),
    (
        "prompts",
        &[
            "",
            r#"(userId: "bob")"#,
            "(kind: ORIGINAL)",
            r#"(search: "bobsecret")"#,
            "(first: 1)",
            "(last: 1)",
            r#"(after: "BOB_CURSOR", first: 1)"#,
            r#"(before: "BOB_CURSOR", last: 1)"#,
        ],
    ),
    (
        "tags",
        &[
            "",
            r#"(userId: "bob")"#,
            r#"(startsWith: "bob")"#,
            "(first: 1)",
            "(last: 1)",
            r#"(after: "BOB_TAG_CURSOR", first: 1)"#,
            r#"(before: "BOB_TAG_CURSOR", last: 1)"#,
        ],
    ),
    (
        "galleryStats",
        &[
            "",
            r#"(filter: { tagsAll: ["bobtag"], tagsAny: ["bobtag"], tagsNone: ["alicetag"], hasTags: true, isFavorite: true })"#,
            r#"(userId: "bob")"#,
            r#"(filter: { search: "bobsecret" })"#,
            r#"(filter: { metadataHasKeys: ["owner"] })"#,
            r#"(filter: { intents: [OTHER], intentLabels: ["boblabel"], metadataContains: { owner: "bob" },
                metadataNumbers: [{ key: "owner", min: 0, max: 9 }], createdAfter: "BOB_CREATED_AT",
                createdBefore: "BOB_CREATED_AT" })"#,
        ],
    ),
    (
        "galleryEvents",
        &[
            "",
            r#"(userId: "bob")"#,
            r#"(imageId: "BOB_ACTIVE")"#,
            r#"(imageId: "BOB_TRASHED", types: [PURGED])"#,
            "(first: 1)",
            "(last: 1)",
            r#"(after: "BOB_EVENT_CURSOR", first: 1)"#,
            r#"(before: "BOB_EVENT_CURSOR", last: 1)"#,
        ],
    ),
    (TRAIL_CURSOR, &[""]),
];

/// The end of the whole trail: it moves with all changes, and reveals only that there were some.
pub(super) const TRAIL_CURSOR: &str = "trailCursor";

/// Alice's subscriptions; used by `feed::isolation`.
pub(super) const SUBSCRIPTIONS: &[(&str, &str)] =
    &[("galleryEvents", "(userId: imageId: types: after:)")];

const LIST: &[&str] = &[
    "",
    r#"(userId: "bob")"#,
    "(first: 1)",
    "(last: 1)",
    r#"(after: "BOB_CURSOR", first: 1)"#,
    r#"(before: "BOB_CURSOR", last: 1)"#,
    r#"(after: "BOB_UPDATED_CURSOR", orderBy: { field: UPDATED_AT, direction: ASC })"#,
    r#"(after: "BOB_TRASH_CURSOR")"#,
    r#"(filter: { search: "bobsecret" })"#,
    r#"(filter: { search: "-alicesecret" })"#,
    "(filter: { metadataContains: { owner: \"bob\" } })",
    "(filter: { metadataContains: {} })",
    r#"(filter: { metadataHasKeys: ["owner"] })"#,
    r#"(filter: { metadataNumbers: [{ key: "owner", min: 0, max: 9 }] })"#,
    "(filter: { intents: [OTHER] })",
    r#"(filter: { intentLabels: ["boblabel"] })"#,
    r#"(filter: { createdAfter: "BOB_CREATED_AT" })"#,
    r#"(filter: { tagsAll: ["bobtag"] })"#,
    r#"(filter: { tagsAny: ["bobtag", "alicetag"] })"#,
    r#"(filter: { tagsNone: ["alicetag"] })"#,
    "(filter: { hasTags: true })",
    "(filter: { isFavorite: true })",
    r#"(filter: { createdBefore: "BOB_CREATED_AT" })"#,
];

/// Fields with arguments below the roots, with their calls.
pub(super) const NESTED: &[(&str, &[&str])] = &[
    (
        "Image.imageUrl",
        &[
            "",
            "(transform: { width: 9, height: 9, crop: PAD, gravity: CENTER, quality: 9, format: PNG })",
        ],
    ),
    (
        "Prompt.images",
        &[
            "",
            r#"(after: "BOB_CURSOR", first: 1)"#,
            r#"(before: "BOB_CURSOR", last: 1)"#,
        ],
    ),
    (
        "Image.events",
        &[
            "",
            r#"(after: "BOB_EVENT_CURSOR", first: 1)"#,
            r#"(before: "BOB_EVENT_CURSOR", last: 1)"#,
        ],
    ),
    ("GalleryStats.createdPerDay", &["(days: 2)"]),
    (
        "GalleryStats.byMetadata",
        &[r#"(key: "owner")"#, r#"(key: "number", first: 9)"#],
    ),
    (
        "GalleryStats.metadataSum",
        &[r#"(key: "owner")"#, r#"(key: "number")"#],
    ),
    ("GalleryStats.byTag", &["(first: 9)"]),
    (OF_EVERYBODY, &["(first: 9)"]),
];

/// Forbidden to users, so that its whole parent is null.
pub(super) const OF_EVERYBODY: &str = "GalleryStats.byUser";

/// Alice's mutations and the expected error codes; empty for calls on her own images.
pub(super) const MUTATIONS: &[(&str, &[(&str, &str)])] = &[
    (
        "createImage",
        &[
            (r#"(input: { imageUrl: "BOB_URL" })"#, "IMAGE_ID_TAKEN"),
            (
                r#"(input: { imageUrl: "BOB_TRASHED_URL", userId: "alice" })"#,
                "IMAGE_ID_TAKEN",
            ),
            (
                r#"(input: { imageUrl: "BOB_URL", userId: "bob" })"#,
                "FORBIDDEN",
            ),
            (
                r#"(input: { imageUrl: "BOB_URL", originalPrompt: "a", refinedPrompt: "a", intent: OTHER, intentLabel: "a", metadata: {} })"#,
                "IMAGE_ID_TAKEN",
            ),
            (
                r#"(input: { imageUrl: "BOB_URL", ifExists: UPDATE, originalPrompt: "a" })"#,
                "IMAGE_ID_TAKEN",
            ),
            (
                r#"(input: { imageUrl: "BOB_URL", onceKey: "bobkey", ifExists: UPDATE, tags: ["a"] })"#,
                "IMAGE_ID_TAKEN",
            ),
            (
                r#"(input: { imageUrl: "ALICE_URL", onceKey: "bobkey", ifExists: UPDATE })"#,
                "",
            ),
            (
                r#"(input: { imageUrl: "ALICE_URL", onceKey: "bobkey", userId: "bob" })"#,
                "FORBIDDEN",
            ),
        ],
    ),
    (
        "createImages",
        &[
            (
                r#"(input: [{ imageUrl: "BOB_URL" }, { imageUrl: "ALICE_URL" }])"#,
                "IMAGE_ID_TAKEN",
            ),
            (
                r#"(input: [{ imageUrl: "ALICE_URL" }, { imageUrl: "BOB_URL", userId: "bob" }])"#,
                "FORBIDDEN",
            ),
            (
                r#"(input: { imageUrl: "BOB_TRASHED_URL", originalPrompt: "a", refinedPrompt: "a", intent: OTHER, intentLabel: "a", metadata: {}, onceKey: "bobkey", ifExists: UPDATE, tags: ["a"] })"#,
                "IMAGE_ID_TAKEN",
            ),
        ],
    ),
    (
        "updateImage",
        &[
            (
                r#"(input: { id: "BOB_ACTIVE", originalPrompt: "a", refinedPrompt: null, intent: OTHER, intentLabel: "a", metadata: {} })"#,
                "IMAGE_NOT_FOUND",
            ),
            (
                r#"(input: { id: "BOB_ACTIVE", imageUrl: "BOB_URL", metadataPatch: { a: 1 } })"#,
                "IMAGE_NOT_FOUND",
            ),
            (
                r#"(input: { id: "BOB_ACTIVE", ifUpdatedAt: "2020-01-01T00:00:00Z" })"#,
                "IMAGE_NOT_FOUND",
            ),
            (r#"(input: { id: "BOB_TRASHED" })"#, "IMAGE_NOT_FOUND"),
            (
                r#"(input: { id: "ALICE_ACTIVE", imageUrl: "BOB_URL" })"#,
                "INVALID_IMAGE_URL",
            ),
        ],
    ),
    (
        "softDeleteImage",
        &[(r#"(id: "BOB_ACTIVE")"#, "IMAGE_NOT_FOUND")],
    ),
    (
        "restoreImage",
        &[(r#"(id: "BOB_TRASHED")"#, "IMAGE_NOT_FOUND")],
    ),
    (
        "purgeImage",
        &[
            (r#"(id: "BOB_ACTIVE", force: true)"#, "IMAGE_NOT_FOUND"),
            (r#"(id: "BOB_ACTIVE")"#, "IMAGE_NOT_FOUND"),
            (r#"(id: "BOB_TRASHED")"#, "IMAGE_NOT_FOUND"),
        ],
    ),
    (
        "softDeleteImages",
        &[(r#"(ids: ["BOB_ACTIVE", "BOB_TRASHED"])"#, "IMAGE_NOT_FOUND")],
    ),
    (
        "restoreImages",
        &[(r#"(ids: ["BOB_TRASHED", "BOB_ACTIVE"])"#, "IMAGE_NOT_FOUND")],
    ),
    (
        "purgeImages",
        &[(
            r#"(ids: ["BOB_TRASHED", "BOB_ACTIVE"], force: true)"#,
            "IMAGE_NOT_FOUND",
        )],
    ),
    (
        "tagImages",
        &[
            (
                r#"(ids: ["ALICE_ACTIVE", "BOB_ACTIVE", "BOB_TRASHED"], add: ["a"], remove: ["alicetag"])"#,
                "IMAGE_NOT_FOUND",
            ),
            // Her spelling, not his.
            (r#"(ids: ["ALICE_ACTIVE"], add: ["BOBTAG"])"#, ""),
            (r#"(ids: ["ALICE_ACTIVE"], remove: ["bobtag"])"#, ""),
        ],
    ),
    (
        "setFavorite",
        &[
            (
                r#"(ids: ["ALICE_ACTIVE", "BOB_ACTIVE", "BOB_TRASHED"], isFavorite: false)"#,
                "IMAGE_NOT_FOUND",
            ),
            (
                r#"(ids: ["BOB_ACTIVE"], isFavorite: true)"#,
                "IMAGE_NOT_FOUND",
            ),
        ],
    ),
    (
        "renameTag",
        &[
            (r#"(userId: "bob", from: "bobtag", to: "a")"#, "FORBIDDEN"),
            (r#"(from: "bobtag", to: "a")"#, ""),
        ],
    ),
    (
        "emptyTrash",
        &[
            (r#"(userId: "bob")"#, "FORBIDDEN"),
            ("(all: true)", "FORBIDDEN"),
            (r#"(userId: "bob", dryRun: true)"#, "FORBIDDEN"),
            ("(all: true, dryRun: true)", "FORBIDDEN"),
            ("(dryRun: true)", ""),
            (r#"(deletedBefore: "2100-01-01T00:00:00Z")"#, ""),
        ],
    ),
    (
        "restoreTrash",
        &[
            (r#"(userId: "bob")"#, "FORBIDDEN"),
            ("(all: true)", "FORBIDDEN"),
            (r#"(deletedAfter: "2000-01-01T00:00:00Z")"#, ""),
        ],
    ),
    (
        "softDeleteMatching",
        &[
            (
                r#"(userId: "bob", filter: { search: "bobsecret" })"#,
                "FORBIDDEN",
            ),
            (
                r#"(all: true, filter: { search: "bobsecret" })"#,
                "FORBIDDEN",
            ),
            (
                r#"(all: true, filter: { search: "bobsecret" }, dryRun: true)"#,
                "FORBIDDEN",
            ),
            (r#"(filter: { search: "-nothing" }, dryRun: true)"#, ""),
            (r#"(filter: { search: "bobsecret" })"#, ""),
            (
                r#"(filter: { intents: [OTHER], intentLabels: ["boblabel"], metadataContains: { owner: "bob" },
                    metadataHasKeys: ["owner"], metadataNumbers: [{ key: "owner", min: 0, max: 9 }],
                    createdAfter: "BOB_CREATED_AT", createdBefore: "BOB_CREATED_AT" })"#,
                "",
            ),
            (r#"(filter: { metadataHasKeys: ["owner"] })"#, ""),
            (
                r#"(filter: { search: "bobsecret" }, keepFavorites: false)"#,
                "",
            ),
            (
                r#"(filter: { tagsAll: ["bobtag"], tagsAny: ["bobtag"], hasTags: true, isFavorite: true }, keepFavorites: false)"#,
                "",
            ),
            (
                r#"(filter: { tagsNone: ["alicetag"], tagsAny: ["bobtag"] })"#,
                "",
            ),
        ],
    ),
    (
        "eraseUser",
        &[
            (r#"(userId: "bob")"#, "FORBIDDEN"),
            (r#"(userId: "bob", dryRun: true)"#, "FORBIDDEN"),
            (r#"(userId: "alice")"#, "FORBIDDEN"),
        ],
    ),
    (
        "undo",
        &[
            (r#"(operationId: "BOB_OPERATION")"#, "OPERATION_NOT_FOUND"),
            (r#"(operationId: "BOB_TRASHED")"#, "OPERATION_NOT_FOUND"),
        ],
    ),
];
