drop trigger record_changes on system_group_members;
drop trigger record_removals on system_group_members;
drop trigger record_changes on library_group_members;
drop trigger record_removals on library_group_members;
drop function record_membership_changes();
