PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE _sqlx_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
);
INSERT INTO _sqlx_migrations VALUES(1,'create revisions nodes events','2026-11-22 14:49:32',1,X'48477836b63dc4ff20fe042093753e0bc181c44d5a50352a60a903c1653ca47a2b0e57239a916250b4f6a5e3930446be',1547135);
INSERT INTO _sqlx_migrations VALUES(2,'say what a verdict is','2026-11-22 17:03:04',1,X'8c24da1151542dbcbe62f2a3df4cdfc91367ef50f30c10d27863c2086dab1bbab9aa28bbcf43536c572fd1a0c3467c34',2226182);
INSERT INTO _sqlx_migrations VALUES(3,'create audit','2026-11-22 17:03:04',1,X'7659fb5a3ed5a44941747895d27a1ea03c882bac34f5bb11af31c96e19f8a13147402b935f79e35ac510033b49354291',788960);
INSERT INTO _sqlx_migrations VALUES(4,'create access','2026-11-22 17:03:04',1,X'4e9cf3114048b1ef9dda5af98be2c3a9b5438e7b68d5c9f19142539731b3367c44245c64df362f608de887833b45aff6',854317);
INSERT INTO _sqlx_migrations VALUES(5,'create node certificates','2026-11-22 17:03:04',1,X'c8215ae7af25c3f0ded75b83ffa1083d8472ffb41b5eb747ed3dc3c167455fd016f0983c014a6375bbaa5d37327bd7da',817742);
INSERT INTO _sqlx_migrations VALUES(6,'find events quickly','2026-11-22 17:03:04',1,X'dca37dd18b7ad81fecedb9f6703defc7c84eaf78c1492e2c4338378572eef61268267a22c1e83d0341cb763715b00900',2188536);
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES('key_check',X'01818ae76243ac48ab9e2ce1a1892be796c42f1fb22dfee5591e0a55548be8f7cd0a98d87a571a09cb');
CREATE TABLE revisions (
    number INTEGER PRIMARY KEY,
    created_at_ms INTEGER NOT NULL,
    author TEXT NOT NULL,
    message TEXT NOT NULL,
    source BLOB,
    snapshot BLOB NOT NULL
) STRICT;
INSERT INTO revisions VALUES(1,5,'tester','why',X'012986b50544c21e1b0959f481244146ae743b0bdd63a7627da5d89f14f43dcc99e744c99811aa7bca5bbe54c5b890b355c712f330',X'01b1c116f90ef4258504ec7397463c4d140db8c34848fbcba4735707821e8494dd8617dfa758470ea80b8183239a2421271edf0024f8f37c6ee8854e8aa6c1a3a6f0be6213d4a3493a0c86cfda56e0cf76fbc2b612393afd8c9f19a4b6d7c1bc8648d54fca8c03600a6873a7e8a1b8689cfcf16c611a2684206faf0f7b45713e5b7f321aa5d8b0090173a42a152558a81cf046dd795d3004749869');
INSERT INTO revisions VALUES(2,5,'tester','why',NULL,X'01b46e3a2b7bbf5530200ca1573f548285d9e6a8ce83a28e1978e300353bd7282c29862a473c65234e7fe84285675da87513db0f0ef140b8ecdff70d5b2e869cbc5029c275408705a9ab03570816b944d137adcea84a883caea214be40816969db8355cdf6c0eaa0ef4dbdbfb0fc06407ed190aecbbb2ee6872d29f7712327e6765bc1ece24356f6947b9dce7043df4ae0a98eeda6570f4d03c8e3');
INSERT INTO revisions VALUES(3,5,'tester','why',X'010ccb4c78ac44a6ae03ba2ecba445009c63abdd5c5014dc027e3b789c579ab31b99c0454940c2df44f27645e8b29480b317b35c3f',X'0152c2269c1781dcf8387a78f5657ac53d0616b2df06c38c9efff7952be94d77415d1384ccc9de8ea20b7986279d769cdfd4faa4627a7bf70ad1a4cfcb6b2e6233ed0fe3736b7d54a3f8126f50abe00df47de8538205c704a657c1ae9b2490cdc6f0903c34033ee1b4e73709039e8610cb5872c092d8d164e111f71a289466a04ae2e44483a667f6838114932d755655c77b5f6da0a97ae104efbb');
INSERT INTO revisions VALUES(4,1795366985121,'command line','',NULL,X'015a73735126997099a49d858207981f75d175d23f9a9890279b2148795ac0f283cf7f6de685db83afdbc5e5aa2e258e63e38fc112225eab478a94c1a43bb038b7d25d1ce5533ea215cbe5d94ae2128cafa80c2d50f96b804a03646e78946c9a3a275e603734c0ee5e9d8d5f543e62b3b496ff6d6986dc2b7e332f207574aa58eb0699437dcad95ec49e416bdaa8fec552719b0aea655ebd79c0eec48f7bf5755f1a63c3cdf19aabb3d18d7fb77bc733ca6c98932ce7d6c3377bcee87ab8e994b3b99c7f9f');
CREATE TABLE nodes (
    id TEXT PRIMARY KEY,
    last_seen_ms INTEGER NOT NULL,
    status TEXT
) STRICT, WITHOUT ROWID;
INSERT INTO nodes VALUES('one',1700000000030,'{"version":"0.1.0","state":"serving","revision":2,"source":"control_plane","connected":true,"logins_in_flight":0,"events_dropped":0,"uptime_seconds":9,"listeners":[]}');
INSERT INTO nodes VALUES('two',1700000000040,NULL);
CREATE TABLE acknowledgements (
    node TEXT NOT NULL REFERENCES nodes (id) ON DELETE CASCADE,
    revision INTEGER NOT NULL REFERENCES revisions (number) ON DELETE CASCADE,
    verdict TEXT NOT NULL,
    at_ms INTEGER NOT NULL, kind TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (node, revision)
) STRICT, WITHOUT ROWID;
INSERT INTO acknowledgements VALUES('one',1,'{"type":"applied"}',1700000000010,'applied');
INSERT INTO acknowledgements VALUES('one',2,'{"type":"applied"}',1700000000020,'applied');
INSERT INTO acknowledgements VALUES('one',3,'{"type":"refused","faults":[{"path":"integrations[0].port","message":"in use"}]}',1700000000030,'refused');
INSERT INTO acknowledgements VALUES('two',1,'{"type":"applied"}',1700000000040,'applied');
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    login TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    node TEXT NOT NULL,
    integration TEXT NOT NULL,
    user TEXT,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    factor TEXT,
    client TEXT NOT NULL,
    json TEXT NOT NULL, chain TEXT NOT NULL DEFAULT '', total INTEGER NOT NULL DEFAULT 0,
    UNIQUE (login, at_ms)
) STRICT;
INSERT INTO events VALUES(1,'00000000000000000000000000000001',1700000000001,'one','odd','user1','accept','approved','push','192.0.2.1','{"at_ms":1700000000001,"client":"192.0.2.1:1024","elapsed_us":7,"factor":"push","id":"00000000000000000000000000000001","ikey":"DI","integration":"odd","node":"one","outcome":"accept","reason":"approved","revision":1,"timeline":[],"user":"user1"}','00000000000000000000000000000001',246);
INSERT INTO events VALUES(2,'00000000000000000000000000000002',1700000000002,'one','even','user2','accept','approved','push','192.0.2.1','{"at_ms":1700000000002,"client":"192.0.2.1:1024","elapsed_us":7,"factor":"push","id":"00000000000000000000000000000002","ikey":"DI","integration":"even","node":"one","outcome":"accept","reason":"approved","revision":1,"timeline":[],"user":"user2"}','00000000000000000000000000000002',493);
INSERT INTO events VALUES(3,'00000000000000000000000000000003',1700000000003,'one','odd','user0','accept','approved','push','192.0.2.1','{"at_ms":1700000000003,"client":"192.0.2.1:1024","elapsed_us":7,"factor":"push","id":"00000000000000000000000000000003","ikey":"DI","integration":"odd","node":"one","outcome":"accept","reason":"approved","revision":1,"timeline":[],"user":"user0"}','00000000000000000000000000000003',739);
INSERT INTO events VALUES(4,'00000000000000000000000000000004',1700000000004,'one','even','user1','accept','approved','push','192.0.2.1','{"at_ms":1700000000004,"client":"192.0.2.1:1024","elapsed_us":7,"factor":"push","id":"00000000000000000000000000000004","ikey":"DI","integration":"even","node":"one","outcome":"accept","reason":"approved","revision":1,"timeline":[],"user":"user1"}','00000000000000000000000000000004',986);
INSERT INTO events VALUES(5,'00000000000000000000000000000005',1700000000005,'one','odd','user2','reject','approved','push','192.0.2.1','{"at_ms":1700000000005,"client":"192.0.2.1:1024","elapsed_us":7,"factor":"push","id":"00000000000000000000000000000005","ikey":"DI","integration":"odd","node":"one","outcome":"reject","reason":"approved","revision":1,"timeline":[],"user":"user2"}','00000000000000000000000000000005',1232);
INSERT INTO events VALUES(6,'00000000000000000000000000000006',1700000000006,'one','even','user0','accept','approved','push','192.0.2.1','{"at_ms":1700000000006,"client":"192.0.2.1:1024","elapsed_us":7,"factor":"push","id":"00000000000000000000000000000006","ikey":"DI","integration":"even","node":"one","outcome":"accept","reason":"approved","revision":1,"timeline":[],"user":"user0"}','00000000000000000000000000000006',1479);
INSERT INTO events VALUES(7,'00000000000000000000000000000007',1700000000007,'one','odd','user1','accept','approved','push','192.0.2.1','{"at_ms":1700000000007,"client":"192.0.2.1:1024","elapsed_us":7,"factor":"push","id":"00000000000000000000000000000007","ikey":"DI","integration":"odd","node":"one","outcome":"accept","reason":"approved","revision":1,"timeline":[],"user":"user1"}','00000000000000000000000000000007',1725);
INSERT INTO events VALUES(8,'00000000000000000000000000000008',1700000000008,'one','even','user2','accept','approved','push','192.0.2.1','{"at_ms":1700000000008,"client":"192.0.2.1:1024","elapsed_us":7,"factor":"push","id":"00000000000000000000000000000008","ikey":"DI","integration":"even","node":"one","outcome":"accept","reason":"approved","revision":1,"timeline":[],"user":"user2"}','00000000000000000000000000000008',1972);
INSERT INTO events VALUES(9,'00000000000000000000000000000009',1700000000009,'one','odd','user0','accept','approved','push','192.0.2.1','{"at_ms":1700000000009,"client":"192.0.2.1:1024","elapsed_us":7,"factor":"push","id":"00000000000000000000000000000009","ikey":"DI","integration":"odd","node":"one","outcome":"accept","reason":"approved","revision":1,"timeline":[],"user":"user0"}','00000000000000000000000000000009',2218);
INSERT INTO events VALUES(10,'0000000000000000000000000000000a',1700000000010,'one','even','user1','reject','approved','push','192.0.2.1','{"at_ms":1700000000010,"client":"192.0.2.1:1024","elapsed_us":7,"factor":"push","id":"0000000000000000000000000000000a","ikey":"DI","integration":"even","node":"one","outcome":"reject","reason":"approved","revision":1,"timeline":[],"user":"user1"}','0000000000000000000000000000000a',2465);
INSERT INTO events VALUES(11,'0000000000000000000000000000000b',1700000000011,'one','odd','user2','accept','approved','push','192.0.2.1','{"at_ms":1700000000011,"client":"192.0.2.1:1024","elapsed_us":7,"factor":"push","id":"0000000000000000000000000000000b","ikey":"DI","integration":"odd","node":"one","outcome":"accept","reason":"approved","revision":1,"timeline":[],"user":"user2"}','0000000000000000000000000000000b',2711);
INSERT INTO events VALUES(12,'0000000000000000000000000000000c',1700000000012,'one','even','user0','accept','approved','push','192.0.2.1','{"at_ms":1700000000012,"client":"192.0.2.1:1024","elapsed_us":7,"factor":"push","id":"0000000000000000000000000000000c","ikey":"DI","integration":"even","node":"one","outcome":"accept","reason":"approved","revision":1,"timeline":[],"user":"user0"}','0000000000000000000000000000000c',2958);
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    actor TEXT NOT NULL,
    source TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    detail TEXT NOT NULL,
    link BLOB NOT NULL
) STRICT;
INSERT INTO audit VALUES(1,1795366985121,'command line','','configuration','revision 4','[{"path":"settings.http_proxy","after":{"host":"proxy","port":3128}}]',X'b9dd8d6c73ff40ee626cb06e0d1fa4d02953343f2f1dbee27c74fc06efda4c0d');
CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    hash BLOB NOT NULL,
    created_by TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    last_used_at_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE admins (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    password TEXT,
    totp BLOB NOT NULL,
    totp_step INTEGER NOT NULL,
    invitation TEXT,
    invitation_hash BLOB,
    invited_until_ms INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO admins VALUES('alice','admin',NULL,X'0131fd4f8f1660abdb360e010760224c45b15295d58c17d9a94a308a2f2fd9253a0f8f829c61bcc8a42323ce7c389016589a9f02a93469c904e2955b43',0,'54208abe69babcb7',X'470aabf1e3fb3b0d41c60dc1499a50d19bf99b909ba20d4873520b20cbb9071f',1795453384990,'command line',1795366984990);
CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    hash BLOB NOT NULL,
    admin TEXT NOT NULL REFERENCES admins (name) ON DELETE CASCADE,
    expires_at_ms INTEGER NOT NULL,
    last_used_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE join_tokens (
    id TEXT PRIMARY KEY,
    hash BLOB NOT NULL,
    node TEXT,
    expires_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE node_certificates (
    serial TEXT PRIMARY KEY,
    node TEXT NOT NULL,
    not_after_ms INTEGER NOT NULL,
    revoked_at_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE drained_nodes (
    node TEXT PRIMARY KEY,
    since_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('events',12);
CREATE INDEX acknowledgements_by_revision ON acknowledgements (revision);
CREATE INDEX events_by_time ON events (at_ms);
CREATE INDEX node_certificates_by_node ON node_certificates (node);
CREATE INDEX events_by_chain ON events (chain, at_ms);
CREATE INDEX events_by_user ON events (user, at_ms);
CREATE INDEX events_by_client ON events (client, at_ms);
CREATE INDEX events_by_integration ON events (integration, at_ms);
CREATE INDEX events_by_reason ON events (reason, at_ms);
CREATE INDEX events_by_outcome ON events (outcome, at_ms);
COMMIT;
