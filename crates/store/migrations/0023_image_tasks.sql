-- Disks that are brought in from files of foreign formats, and images that are taken out. `active` is 1 while a task is under way.
CREATE TABLE image_task (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, active BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX image_task_account ON image_task (account, id);
CREATE INDEX image_task_active ON image_task (active, id);
