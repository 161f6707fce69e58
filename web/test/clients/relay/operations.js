// What relay-compiler compiles, before the tests run, into `__generated__`: it looks for these tags, and nothing runs them.

import { graphql } from 'relay-runtime';

graphql`
  mutation operationsCreateMutation($input: CreateImageInput!) {
    createImage(input: $input) {
      created
      image {
        id
        userId
        deletedAt
      }
      userErrors {
        code
        message
        path
      }
    }
  }
`;

graphql`
  query operationsListQuery($userId: String!, $first: Int, $after: String) {
    images(userId: $userId, first: $first, after: $after) {
      edges {
        cursor
        node {
          id
          createdAt
          deletedAt
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`;

graphql`
  query operationsRefetchQuery($id: ID!) {
    node(id: $id) {
      ... on Image {
        userId
        deletedAt
      }
    }
  }
`;

graphql`
  mutation operationsSoftDeleteMutation($id: ID!) {
    softDeleteImage(id: $id) {
      changed
      image {
        id
        deletedAt
      }
      userErrors {
        code
      }
    }
  }
`;

graphql`
  mutation operationsRestoreMutation($id: ID!) {
    restoreImage(id: $id) {
      changed
      image {
        id
        deletedAt
      }
      userErrors {
        code
      }
    }
  }
`;
