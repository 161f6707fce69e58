// What the manifests beside this file were made of, each by the tool whose name it bears; docs/trusted-documents.md says how.

import { gql } from '@apollo/client';

const IMAGE = gql`
  fragment TrustedImage on Image {
    id
    userId
    originalPrompt
  }
`;

export const CREATE = gql`
  mutation TrustedCreate($input: CreateImageInput!) {
    createImage(input: $input) {
      created
      image {
        ...TrustedImage
      }
    }
  }

  ${IMAGE}
`;

export const LIST = gql`
  query TrustedList($userId: String!) {
    images(userId: $userId) {
      totalCount
      nodes {
        ...TrustedImage
      }
    }
  }

  ${IMAGE}
`;

export const FOLLOW = gql`
  subscription TrustedFollow {
    galleryEvents(after: "") {
      type
      imageId
    }
  }
`;
