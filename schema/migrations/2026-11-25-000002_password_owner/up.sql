-- The name under which a user's passwords are sealed and fingerprinted, where it is not the username key. Without it a new
-- key would make a waiting password unreadable, and let the next file reset a password that its owner has chosen since.
-- Nullable, without a default: the table is not rewritten.
alter table users add column password_owner text;

-- Whatever changes a user's key, its passwords stay bound to the key that they were bound to. A trigger, so that no
-- statement, an operator's included, can forget it.
create function keep_password_owner() returns trigger language plpgsql as $$
begin
    new.password_owner := coalesce(old.password_owner, old.username_key);
    return new;
end
$$;
create trigger keep_password_owner
    before update of username_key on users for each row
    when (new.username_key is distinct from old.username_key)
    execute function keep_password_owner();
