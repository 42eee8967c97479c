-- Files that the server has made for users, such as images.

-- Makes an uploaded file that is not sent one of a thread's. false: there is no such file or thread.
CREATE FUNCTION keep_attachment(p_tenant text, p_user text, p_thread text, p_id text)
RETURNS boolean LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM become(p_tenant, p_user);
    -- Locked: whoever deletes the thread dooms the file with it, or it is gone here.
    PERFORM 1 FROM threads t WHERE t.id = p_thread AND t.tenant_id = p_tenant
        AND t.user_id = p_user FOR KEY SHARE;
    IF NOT FOUND THEN RETURN false; END IF;
    UPDATE attachments a SET thread_id = p_thread
        WHERE a.id = p_id AND a.state = 'uploaded' AND a.thread_id IS NULL
          AND a.tenant_id = p_tenant AND a.user_id = p_user;
    RETURN FOUND;
END
$$;

-- Such a file has the id of the item that shows it, and goes with that.
CREATE FUNCTION doom_made_file() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE attachments a SET state = 'doomed', name = '', thread_id = NULL
        WHERE a.id = OLD.id AND a.thread_id = OLD.thread_id;
    RETURN NULL;
END
$$;

CREATE TRIGGER made_file_goes AFTER DELETE ON items
    FOR EACH ROW WHEN (OLD.id LIKE 'img\_%') EXECUTE FUNCTION doom_made_file();
