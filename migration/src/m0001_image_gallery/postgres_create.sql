-- As Django makes it, so that both ways of beginning lead to one shape. Closed to the world, like every table of ours.
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
