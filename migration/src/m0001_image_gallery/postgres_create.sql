-- As created by Django, so that both origins have the same shape. Row-level security as on all our tables.
CREATE TABLE image_gallery (
    image_id uuid PRIMARY KEY,
    user_id varchar(255) NOT NULL,
    image_url varchar(1024) NOT NULL,
    refined_prompt text,
    intent varchar(100),
    metadata jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz
);
