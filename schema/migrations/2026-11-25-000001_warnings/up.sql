-- What the sender of a file should know although no row failed for it: ignored columns, an encoding that was assumed,
-- administrators that the file may not lock out. Sentences, at most 100.
alter table imports add column warnings text[] not null default '{}';

-- Whether an import leaves `enabled` and the password of administrators alone.
alter table tenants add column protect_administrators boolean not null default true;

-- The first 99 sentences and, where there are more than 100, one that says so.
create function limited_warnings(warnings text[]) returns text[] language sql immutable as $$
    select case when cardinality(warnings) <= 100 then warnings
                else warnings[:99] || 'There are more warnings; only the first are listed.'::text end
$$;
