// What GraphiQL opens with: one tab for each part of the README's walk. test/examples.test.js holds every operation
// against schema.graphql.

const imageId = '3f2b8c1e-5d4a-4e6f-9a7b-0c1d2e3f4a5b';
const imageUrl = `https://res.cloudinary.com/demo/image/upload/v1/${imageId}.png`;

const gallery = `# The gallery, newest first: run it with the triangle, or
# Ctrl-Enter. The book at the top left describes every type,
# field and argument. On a server with sign-in, write
# {"Authorization": "Bearer …"} into "Headers" below.
query Gallery {
  images(first: 20) {
    totalCount
    nodes {
      id
      userId
      originalPrompt
      intent
      createdAt
      imageUrl(transform: { width: 300 })
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
`;

const store = `# Stores an image, once: the same URL again gives the same
# image and \`created: false\`. Its values: "Variables" below.
mutation Store($input: CreateImageInput!) {
  createImage(input: $input) {
    created
    image {
      id
      createdAt
    }
    userErrors {
      code
      message
      path
    }
  }
}
`;

const search = `# One user's images that a search finds. For the next page,
# \`after\` is the endCursor of this one.
query Search($after: String) {
  images(
    userId: "alice"
    filter: { search: "cat -dog", metadataContains: { model: "flux" } }
    first: 10
    after: $after
  ) {
    nodes {
      id
      refinedPrompt
      metadata
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
`;

const update = `# Changes what is given, and leaves the rest; null clears.
mutation Update($input: UpdateImageInput!) {
  updateImage(input: $input) {
    image {
      refinedPrompt
      metadata
      updatedAt
    }
    userErrors {
      code
      message
      path
    }
  }
}
`;

const trash = `# To the trash, what lies in it, back again, and for good:
# the triangle lets you choose. Undo takes back a whole call:
# give it the operationId of SoftDelete.
mutation SoftDelete($id: ID!) {
  softDeleteImage(id: $id) {
    changed
    operationId
    image {
      deletedAt
    }
    userErrors {
      code
      message
    }
  }
}

query Trash {
  deletedImages {
    totalCount
    nodes {
      id
      userId
      deletedAt
    }
  }
}

mutation Restore($id: ID!) {
  restoreImage(id: $id) {
    changed
    image {
      deletedAt
    }
    userErrors {
      code
      message
    }
  }
}

mutation Undo($operationId: ID!) {
  undo(operationId: $operationId) {
    restoredIds
    leftAloneIds
    userErrors {
      code
      message
    }
  }
}

mutation Purge($id: ID!) {
  purgeImage(id: $id) {
    purgedId
    changed
    userErrors {
      code
      message
    }
  }
}
`;

const clear = `# To the trash with whatever holds a filter. First look at what that is:
# dryRun moves nothing. Call again while hasMore.
mutation SoftDeleteMatching($filter: ImageFilter!, $dryRun: Boolean!) {
  softDeleteMatching(userId: "alice", filter: $filter, dryRun: $dryRun) {
    matchingCount
    sample {
      id
      refinedPrompt
    }
    softDeletedIds
    hasMore
    operationId
  }
}

# With dryRun, too, nothing is purged.
mutation EmptyTrash($dryRun: Boolean!) {
  emptyTrash(userId: "alice", dryRun: $dryRun) {
    purgedCount
    purgedIds
    hasMore
  }
}
`;

const follow = `# Every change from now on: run it, then store or delete an image
# in another window. The square stops it.
subscription Follow {
  galleryEvents {
    type
    imageId
    userId
    occurredAt
    cursor
  }
}
`;

const statistics = `# Counts, each made only when it is asked for.
query Statistics {
  galleryStats {
    activeCount
    deletedCount
    byIntent {
      intentLabel
      count
    }
    createdPerDay(days: 7) {
      date
      count
    }
    byMetadata(key: "model", first: 5) {
      value
      count
    }
  }
}
`;

const organise = `# Tags and favourites: put them on, find what has them, and list
# the tags that begin as you type. Letter case does not count.
mutation Tag($ids: [ID!]!) {
  tagImages(ids: $ids, add: ["Cat", "night"], remove: ["draft"]) {
    images {
      id
      tags
    }
    userErrors {
      code
      message
      path
    }
  }
}

mutation Favorite($ids: [ID!]!) {
  setFavorite(ids: $ids, isFavorite: true) {
    images {
      id
      isFavorite
    }
    userErrors {
      code
      message
    }
  }
}

query Tagged {
  images(filter: { tagsAny: ["cat", "dog"], isFavorite: true }) {
    nodes {
      id
      tags
      isFavorite
    }
  }
}

query Tags {
  tags(startsWith: "ca") {
    nodes {
      tag
      count
    }
  }
}

query Prompts {
  prompts(userId: "alice", search: "cat") {
    nodes {
      text
      imageCount
      lastUsedAt
      images(first: 4) {
        nodes {
          id
          imageUrl
        }
      }
    }
  }
}

mutation Rename {
  renameTag(userId: "alice", from: "cat", to: "Tabby cat") {
    changedCount
    hasMore
    userErrors {
      code
      message
      path
    }
  }
}
`;

const json = (value) => JSON.stringify(value, null, 2);

/** GraphiQL's tabs: `query`, and `variables` as JSON text where it has any. */
export const examples = [
  { query: gallery },
  {
    query: store,
    variables: json({
      input: {
        userId: 'alice',
        imageUrl,
        originalPrompt: 'a cat on a bicycle',
        refinedPrompt: 'a tabby cat riding a red bicycle, golden hour',
        intent: 'GENERATE',
        metadata: { model: 'flux', seed: 42 },
      },
    }),
  },
  { query: search, variables: json({ after: null }) },
  {
    query: update,
    variables: json({
      input: { id: imageId, refinedPrompt: 'a tabby cat asleep on a red bicycle', metadataPatch: { rating: 5 } },
    }),
  },
  { query: trash, variables: json({ id: imageId, operationId: '' }) },
  { query: clear, variables: json({ filter: { metadataContains: { model: 'flux' } }, dryRun: true }) },
  { query: organise, variables: json({ ids: [imageId] }) },
  { query: follow },
  { query: statistics },
];
