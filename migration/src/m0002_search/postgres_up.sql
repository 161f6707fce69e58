-- The text that is searched: the words of both prompts in lower case, one space between two of them.
-- A word is a run of Unicode letters and digits, whatever the database's own locale; the collation says so.
-- Each word begins with an x, which tells it from what stands between the prompts, so that no phrase spans them.
-- Each prompt is cut first, because a tsvector holds 1 MB at most, and would refuse the row of another application.
-- Some letters have two lower-case forms (the final sigma, the long s ...): one stands for both, as in SQLite's FTS5.
-- In plpgsql, whose plan is kept for the session: a function in SQL is planned anew for each row that is written.
CREATE OR REPLACE FUNCTION image_gallery_search_text(original_prompt text, refined_prompt text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog
AS $function$
DECLARE
    words text :=
        'x' || lower(regexp_replace(left(coalesce(original_prompt, ''), 100000), '[^[:alnum:]]+' COLLATE "und-x-icu", ' x', 'g') COLLATE "und-x-icu")
        || ' between@the.prompts x'
        || lower(regexp_replace(left(coalesce(refined_prompt, ''), 100000), '[^[:alnum:]]+' COLLATE "und-x-icu", ' x', 'g') COLLATE "und-x-icu");
BEGIN
    -- ASCII has none of these letters, and to look for them takes a third of the time.
    IF octet_length(words) = length(words) THEN
        RETURN words;
    END IF;
    RETURN translate(
        words,
        U&'\00B5\017F\03C2\03D0\03D1\03D5\03D6\03F0\03F1\03F5\1E9B\1FBE\0307',
        U&'\03BC\0073\03C3\03B2\03B8\03C6\03C0\03BA\03C1\03B5\1E61\03B9'
    );
END
$function$;

-- The words of that text, for the index. Not by to_tsvector, whose parser takes longer than everything else together and
-- knows the letters of the database's locale only. Words longer than a tsvector can hold are left out.
CREATE OR REPLACE FUNCTION image_gallery_search_words(search_text text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog
AS $function$
DECLARE
    words text[] := string_to_array(search_text, ' ');
BEGIN
    IF octet_length(search_text) > 2046 THEN
        words := ARRAY(SELECT word FROM unnest(words) AS word WHERE octet_length(word) <= 2046);
    END IF;
    -- Every row has these two: an empty prompt, and what stands between the prompts.
    RETURN ts_delete(array_to_tsvector(words), '{x,between@the.prompts}'::text[]);
END
$function$;

-- Whoever writes a row runs them for the index: another application's role, too, where new functions are not everybody's.
GRANT EXECUTE ON FUNCTION image_gallery_search_text(text, text), image_gallery_search_words(text) TO PUBLIC;
