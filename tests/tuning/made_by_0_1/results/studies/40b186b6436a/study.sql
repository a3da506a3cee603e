BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('v3.2.0.a');
CREATE TABLE studies (
	study_id INTEGER NOT NULL, 
	study_name VARCHAR(512) NOT NULL, 
	PRIMARY KEY (study_id)
);
INSERT INTO "studies" VALUES(1,'40b186b6436a');
CREATE TABLE study_directions (
	study_direction_id INTEGER NOT NULL, 
	direction VARCHAR(8) NOT NULL, 
	study_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	PRIMARY KEY (study_direction_id), 
	UNIQUE (study_id, objective), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_directions" VALUES(1,'MAXIMIZE',1,0);
CREATE TABLE study_system_attributes (
	study_system_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_system_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_system_attributes" VALUES(1,1,'study:metric_names','["macro_f1"]');
CREATE TABLE study_user_attributes (
	study_user_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_user_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_user_attributes" VALUES(1,1,'label','"tiny"');
INSERT INTO "study_user_attributes" VALUES(2,1,'objectives','["macro_f1"]');
INSERT INTO "study_user_attributes" VALUES(3,1,'algorithm','"tpe"');
INSERT INTO "study_user_attributes" VALUES(4,1,'pruner','"median"');
INSERT INTO "study_user_attributes" VALUES(5,1,'seed','0');
INSERT INTO "study_user_attributes" VALUES(6,1,'outcome','{"of": {"trials": [0], "seeds": [0, 1]}, "at": "host:/home/somebody/results"}');
CREATE TABLE trial_heartbeats (
	trial_heartbeat_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	heartbeat DATETIME NOT NULL, 
	PRIMARY KEY (trial_heartbeat_id), 
	UNIQUE (trial_id), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_intermediate_values (
	trial_intermediate_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	intermediate_value FLOAT, 
	intermediate_value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_intermediate_value_id), 
	UNIQUE (trial_id, step), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_intermediate_values" VALUES(1,1,1,6.34920634920634885389e-02,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(2,1,2,6.34920634920634885389e-02,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(3,2,1,6.34920634920634885389e-02,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(4,2,2,6.34920634920634885389e-02,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(5,3,1,6.34920634920634885389e-02,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(6,3,2,6.34920634920634885389e-02,'FINITE');
CREATE TABLE trial_params (
	param_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	param_name VARCHAR(512), 
	param_value FLOAT, 
	distribution_json TEXT, 
	PRIMARY KEY (param_id), 
	UNIQUE (trial_id, param_name), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_params" VALUES(1,1,'loss',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["cross-entropy", "focal"]}}');
INSERT INTO "trial_params" VALUES(2,1,'loss.focal.gamma',1.36852469855911751395e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1.0, "high": 3.0, "log": false}}');
INSERT INTO "trial_params" VALUES(3,1,'optimizer.lr',5.92757363389731940089e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(4,2,'loss',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["cross-entropy", "focal"]}}');
INSERT INTO "trial_params" VALUES(5,2,'optimizer.lr',1.41729043303912300572e-02,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(6,3,'loss',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["cross-entropy", "focal"]}}');
INSERT INTO "trial_params" VALUES(7,3,'loss.focal.gamma',2.77301787064717064623e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1.0, "high": 3.0, "log": false}}');
INSERT INTO "trial_params" VALUES(8,3,'optimizer.lr',1.06297308049147225424e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.001, "high": 0.1, "log": true}}');
CREATE TABLE trial_system_attributes (
	trial_system_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_system_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_user_attributes (
	trial_user_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_user_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_user_attributes" VALUES(1,1,'chosen_by','{"algorithm": "tpe", "pruner": "median", "seed": 0, "draws": 2968811710, "optuna": "5.0.0", "start_up": true}');
INSERT INTO "trial_user_attributes" VALUES(2,1,'attempts','1');
INSERT INTO "trial_user_attributes" VALUES(3,1,'run','"7c2c23ee66e6"');
INSERT INTO "trial_user_attributes" VALUES(4,1,'seconds','2.969');
INSERT INTO "trial_user_attributes" VALUES(5,2,'chosen_by','{"algorithm": "tpe", "pruner": "median", "seed": 0, "draws": 2968811710, "optuna": "5.0.0", "start_up": true}');
INSERT INTO "trial_user_attributes" VALUES(6,2,'attempts','1');
INSERT INTO "trial_user_attributes" VALUES(7,2,'run','"62a8693a8f80"');
INSERT INTO "trial_user_attributes" VALUES(8,2,'seconds','0.431');
INSERT INTO "trial_user_attributes" VALUES(9,3,'chosen_by','{"algorithm": "tpe", "pruner": "median", "seed": 0, "draws": 2968811710, "optuna": "5.0.0", "start_up": true}');
INSERT INTO "trial_user_attributes" VALUES(10,3,'attempts','1');
INSERT INTO "trial_user_attributes" VALUES(11,3,'run','"6a7df4720ffe"');
INSERT INTO "trial_user_attributes" VALUES(12,3,'seconds','0.324');
CREATE TABLE trial_values (
	trial_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	value FLOAT, 
	value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_value_id), 
	UNIQUE (trial_id, objective), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_values" VALUES(1,1,0,6.34920634920634885389e-02,'FINITE');
INSERT INTO "trial_values" VALUES(2,2,0,6.34920634920634885389e-02,'FINITE');
INSERT INTO "trial_values" VALUES(3,3,0,6.34920634920634885389e-02,'FINITE');
CREATE TABLE trials (
	trial_id INTEGER NOT NULL, 
	number INTEGER, 
	study_id INTEGER, 
	state VARCHAR(8) NOT NULL, 
	datetime_start DATETIME, 
	datetime_complete DATETIME, 
	PRIMARY KEY (trial_id), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "trials" VALUES(1,0,1,'COMPLETE','2026-11-30 09:41:30.165642','2026-11-30 09:41:33.198268');
INSERT INTO "trials" VALUES(2,1,1,'COMPLETE','2026-11-30 09:41:33.222143','2026-11-30 09:41:33.708521');
INSERT INTO "trials" VALUES(3,2,1,'COMPLETE','2026-11-30 09:41:33.728942','2026-11-30 09:41:34.104238');
CREATE TABLE version_info (
	version_info_id INTEGER NOT NULL, 
	schema_version INTEGER, 
	library_version VARCHAR(256), 
	PRIMARY KEY (version_info_id), 
	CHECK (version_info_id=1)
);
INSERT INTO "version_info" VALUES(1,12,'5.0.0');
CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
CREATE INDEX ix_trials_study_id ON trials (study_id);
COMMIT;
