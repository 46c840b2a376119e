-- $1 tenant, $2 user, $3 network, $4 pair
with forgotten as (
    delete from login_networks
     where tenant_id = $1 and user_id = $2 and network <> $3 and last_good_on < current_date - 60
)
insert into login_networks (tenant_id, user_id, network, pair)
values ($1, $2, $3, $4)
on conflict (tenant_id, user_id, network) do update
   set days = login_networks.days + 1, last_good_on = current_date, pair = excluded.pair
 where login_networks.last_good_on < current_date or login_networks.pair <> excluded.pair
