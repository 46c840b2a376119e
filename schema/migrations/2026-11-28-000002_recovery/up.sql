set local lock_timeout = '2s';

-- The worker processes, each by the name that it puts into the leases it holds. A worker reports here for as long as it
-- lives, whatever its imports do: so one that died is told from one that the database could not hear.
create table workers (
    id              text primary key,
    seen_at         timestamptz not null default now(),
    -- Since when its reports have come without a gap.
    contact_since   timestamptz not null default now(),
    -- How long a living worker is silent at most.
    silent_after    interval not null,
    -- It was told to stop.
    stopping        boolean not null default false,
    -- What it knows of RabbitMQ: `ok`, `away`, or `blocked` by an alarm.
    rabbitmq        text not null default 'ok',
    -- Imports that it could begin now.
    free_small      integer not null default 0,
    free_bulk       integer not null default 0
);

-- Why an import that began, or was to be tried again, does not go on: a fault of a server, a disk or a network. Null:
-- nothing to say.
alter table imports add column waiting text;
-- How often it was put off for such a fault since a chunk was last merged.
alter table imports add column retries integer not null default 0;
-- The workers that fell silent while they held it, since a chunk was last merged. Each counts as a failure for as long as
-- it is silent.
alter table imports add column lost_workers text[] not null default '{}';

-- A finished import that is run again begins anew, whatever finished it.
create function forget_attempts() returns trigger language plpgsql as $$
begin
    new.failures := 0;
    new.retries := 0;
    new.lost_workers := '{}';
    new.waiting := null;
    return new;
end
$$;
create trigger forget_attempts
    before update of state on imports for each row
    when (old.state = 'finished' and new.state <> 'finished')
    execute function forget_attempts();

create or replace view line_heads as
select distinct on (tenant_id)
       tenant_id, id, queue_position, lane, state, attempt, failures, lease_until, not_before,
       published_at, publish_count, submitted_at, traceparent, tracestate, lost_workers
  from imports
 where state <> 'finished'
 order by tenant_id, queue_position;

-- Why an import that has not finished makes no progress, in words for its sender and the operator; null where it does, or
-- where it is about to.
create function waiting_reason(of_tenant uuid, of_import uuid) returns text language plpgsql stable as $$
declare
    import record;
    ahead bigint;
    alive record;
begin
    select state, lane, queue_position, lease_until, not_before, submitted_at, published_at, waiting
      into import
      from imports where tenant_id = of_tenant and id = of_import;
    if not found or import.state = 'finished' then
        return null;
    end if;
    if import.state = 'running' then
        return case when import.lease_until < now() - interval '1 second'
                    then 'its worker does not respond, and another will take over'
                    else import.waiting end;
    end if;
    select count(*) into ahead
      from imports
     where tenant_id = of_tenant and state <> 'finished' and queue_position < import.queue_position;
    if ahead > 0 then
        return case when ahead = 1 then '1 import of this tenant runs first'
                    else ahead || ' imports of this tenant run first' end;
    end if;
    -- Two seconds: an import that begins at once waits for nothing.
    if greatest(import.not_before, import.submitted_at, import.published_at) > now() - interval '2 seconds' then
        return import.waiting;
    end if;
    select count(*) as workers, coalesce(bool_or(rabbitmq = 'blocked'), false) as blocked,
           coalesce(bool_and(rabbitmq = 'away'), false) as away,
           coalesce(sum(case import.lane when 'small' then free_small else free_bulk end), 0) as free
      into alive
      from workers where seen_at + silent_after > now() and not stopping;
    return case
        when alive.workers = 0 then 'no worker is running'
        when alive.free = 0 then 'no worker is free'
        when alive.blocked then 'RabbitMQ accepts no messages (alarm)'
        when alive.away then 'RabbitMQ is away'
        when import.published_at is not null then 'its wake-up was not answered, and a free worker will take it'
        else import.waiting
    end;
end
$$;
