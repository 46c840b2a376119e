drop trigger record_removal on users;
drop trigger record_roster_change on users;
drop function record_roster_change();
drop table roster_changes;
