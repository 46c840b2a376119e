-- $1 limit
select pair from familiar_logins limit $1
