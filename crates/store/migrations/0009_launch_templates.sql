-- Launch templates and their versions, whose numbers are unique in a template.
CREATE TABLE launch_template (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL);
CREATE UNIQUE INDEX launch_template_name ON launch_template (account, name);

CREATE TABLE launch_template_version (id BIGINT PRIMARY KEY, template BIGINT NOT NULL, number BIGINT NOT NULL, body TEXT NOT NULL);
CREATE UNIQUE INDEX launch_template_version_number ON launch_template_version (template, number);

-- Instance profiles, and the roles of instances: an instance has one at most.
CREATE TABLE instance_profile (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL);
CREATE UNIQUE INDEX instance_profile_name ON instance_profile (account, name);

CREATE TABLE instance_role (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, instance BIGINT NOT NULL, body TEXT NOT NULL);
CREATE UNIQUE INDEX instance_role_instance ON instance_role (instance);
CREATE INDEX instance_role_account ON instance_role (account, id);
