-- Half of each page stays free for the next versions of its users. Then an update writes the page alone: no index changes, and
-- the space of the version before is used again. A million updates take 15 s instead of 25, new users as long as before, and
-- the table is as large as it became by the first rollover anyway.
set local lock_timeout = '2s';

alter table users set (fillfactor = 50);
