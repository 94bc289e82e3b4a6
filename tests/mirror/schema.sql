-- Tables of every type that all servers have, filled with what is treated differently.
DROP DATABASE IF EXISTS mirrored;
CREATE DATABASE mirrored CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
USE mirrored;
SET sql_mode = '';
CREATE TABLE people (
  id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(40) NOT NULL, email VARCHAR(60) UNIQUE, born DATE, city CHAR(20),
  score DOUBLE, ratio FLOAT, salary DECIMAL(10,2), flags TINYINT(1) NOT NULL DEFAULT 0, big BIGINT UNSIGNED, note TEXT,
  made DATETIME(3), seen TIMESTAMP NULL, day_of TIME(2), y YEAR, kind ENUM('a','b','c'), options SET('x','y','z'),
  raw VARBINARY(20), bits BIT(9), KEY (city), KEY (born)
) ENGINE=InnoDB;
INSERT INTO people VALUES
 (1,'Ann','ann@example.org','1980-02-29','Rome',1.5,0.1,100.00,1,18446744073709551615,'first','2020-01-02 03:04:05.678','2021-05-06 07:08:09','12:34:56.78',1999,'a','x,y',x'00ff10',b'101'),
 (2,'bob','bob@example.org','1990-12-31','Oslo',1e10,1e-7,200.50,0,0,NULL,'2020-02-03 00:00:00','2021-05-06 00:00:00','-10:00:00',2000,'b','',x'',b'0'),
 (3,'Émile',NULL,NULL,'Paris',1e15,3.14159,0.00,0,1,'','2020-02-03 00:00:00.001',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
 (4,'emile','emile@example.org','2001-01-01','paris',1e16,1e20,-1.25,1,255,'trailing  ','1970-01-01 00:00:01',NULL,'838:59:59',2155,'c','x,y,z',x'ff',b'111111111'),
 (5,'Zoë','zoe@example.org','0000-00-00','',0.1,0.3,99999999.99,0,42,'日本 😀','2038-01-19 03:14:07.999',NULL,'00:00:00.01',1901,'a','z',x'41',b'1'),
 (6,'zoe','zoe2@example.org','1980-02-29','Rome ',-0.0,16777216,1.10,0,43,'quote '' and "','9999-12-31 23:59:59',NULL,'23:59:59.99',2024,'','y',x'61',b'10');
CREATE TABLE orders (id INT PRIMARY KEY, person INT, total DECIMAL(12,4), made DATETIME, state VARCHAR(10), doc TEXT, KEY (person), KEY(state)) ENGINE=InnoDB;
INSERT INTO orders VALUES
 (1,1,10.5,'2024-01-01 10:00:00','new','{"a": 1, "b": [1, 2, {"c": null}]}'),(2,1,20.25,'2024-01-02 11:00:00','PAID','{"b":2,"a":1}'),
 (3,2,0.0001,'2024-02-01 00:00:00','paid','[1.0, 2, "x"]'),(4,2,7,'2024-02-29 23:59:59','New',NULL),
 (5,4,1000000.1234,'2024-03-01 12:00:00','shipped','"text"'),(6,NULL,3.3333,'2024-03-01 12:00:00','new','{}');
CREATE TABLE docs (id INT PRIMARY KEY, doc JSON, geo POINT, wide BINARY(4), words VARCHAR(100), FULLTEXT KEY (words)) ENGINE=InnoDB;
INSERT INTO docs VALUES (1,'{"b": 1,  "a": [1, 2.50, true]}',ST_GeomFromText('POINT(1 2)'),x'61','the quick brown fox'),
 (2,'{"n": {"deep": [{"x": 1e3}]}, "s": "\\u00e9"}',ST_GeomFromText('POINT(3 4)'),x'61626364','lazy dogs sleep'),(3,NULL,NULL,NULL,NULL);
CREATE TABLE numbers (n INT PRIMARY KEY, f FLOAT, d DOUBLE, t TINYINT, s SMALLINT, m MEDIUMINT UNSIGNED, z INT(6) ZEROFILL, dec30 DECIMAL(30,10)) ENGINE=InnoDB;
INSERT INTO numbers VALUES (1,1.1,1.1,-128,-32768,0,7,1234567890.0123456789),(2,2.2,2.2,127,32767,16777215,123456,-0.0000000001),
 (3,3.3e10,3.3e100,0,0,5,0,0),(4,1e38,1e308,1,1,1,1,99999999999999999999.9999999999),(5,1e-38,2.2250738585072014e-308,2,2,2,2,1),(6,123456.7,123456789012345678,3,3,3,3,2),
 (7,0.33333334,0.3333333333333333,4,4,4,4,3),(8,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE VIEW grown AS SELECT id, UPPER(name) AS big_name, salary * 2 AS doubled FROM people WHERE born < '2000-01-01';
