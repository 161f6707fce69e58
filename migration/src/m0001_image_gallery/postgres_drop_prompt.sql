DO $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = 'image_gallery'::regclass
            AND attname = 'original_prompt'
            AND NOT attisdropped
            AND col_description(attrelid, attnum) = 'added by image-gallery'
    ) THEN
        ALTER TABLE image_gallery DROP COLUMN original_prompt;
    END IF;
END
$$;
