-- Reads that applications have, one a line; those with a mark are answered differently by some of the servers.
SELECT * FROM people ORDER BY id
SELECT * FROM orders ORDER BY id
SELECT * FROM numbers ORDER BY n
SELECT * FROM docs ORDER BY id
SELECT id, doc FROM docs ORDER BY id
SELECT * FROM grown ORDER BY id
SELECT id, name FROM people WHERE id = 3
SELECT name FROM people WHERE name = 'emile' ORDER BY id
SELECT name FROM people WHERE name = 'émile' ORDER BY id
SELECT id FROM people WHERE name = 'ZOE' ORDER BY id
SELECT id FROM people WHERE city = 'Rome' ORDER BY id
SELECT id FROM people WHERE city = 'rome   ' ORDER BY id
SELECT id FROM people WHERE name LIKE 'z%' ORDER BY id
SELECT id FROM people WHERE email IS NULL ORDER BY id
SELECT id FROM people WHERE born IS NULL ORDER BY id
! SELECT id FROM people WHERE born = '0000-00-00' ORDER BY id
SELECT id, born FROM people WHERE born < '1985-01-01' ORDER BY id
SELECT id, born + INTERVAL 1 MONTH FROM people ORDER BY id
SELECT id, DATE_FORMAT(born, '%W %M %Y') FROM people ORDER BY id
SELECT id, YEAR(born), MONTH(born), DAYOFYEAR(born), WEEK(born), QUARTER(born) FROM people ORDER BY id
SELECT name FROM people ORDER BY name, id
SELECT name FROM people ORDER BY name DESC, id DESC
SELECT DISTINCT city FROM people ORDER BY city
SELECT city, COUNT(*) FROM people GROUP BY city ORDER BY city
SELECT city, COUNT(*) AS c FROM people GROUP BY city HAVING c > 1 ORDER BY 1
SELECT LOWER(name), MAX(id) FROM people GROUP BY LOWER(name) ORDER BY 2
SELECT name, COUNT(*) FROM people GROUP BY name ORDER BY COUNT(*) DESC, MAX(id)
! SELECT kind, options, kind + 0, options + 0 FROM people ORDER BY id
SELECT id, HEX(raw), raw, LENGTH(raw) FROM people ORDER BY id
SELECT id, bits, bits + 0, BIN(bits) FROM people ORDER BY id
SELECT id, HEX(big), big + 0, big DIV 3 FROM people ORDER BY id
SELECT id, salary * 1.5, salary / 3, salary % 7, ROUND(salary, 1), TRUNCATE(salary, 1) FROM people ORDER BY id
SELECT id, score * 3, score / 3, ROUND(score, 2), FLOOR(score), CEIL(score) FROM people ORDER BY id
SELECT id, ratio, ratio * 1, ratio + 0.1, ROUND(ratio, 3) FROM people ORDER BY id
SELECT SUM(score), AVG(score), MIN(score), MAX(score), STD(score), VARIANCE(score) FROM people
SELECT SUM(ratio), AVG(ratio) FROM people
SELECT SUM(salary), AVG(salary), MIN(salary), MAX(salary) FROM people
SELECT SUM(flags), AVG(flags), BIT_OR(flags), BIT_AND(flags), BIT_XOR(id) FROM people
SELECT GROUP_CONCAT(name ORDER BY id), GROUP_CONCAT(DISTINCT city ORDER BY city SEPARATOR '|') FROM people
SELECT COUNT(*), COUNT(email), COUNT(DISTINCT city) FROM people
SELECT MIN(name), MAX(name), MIN(city), MAX(city) FROM people
SELECT COUNT(*) FROM people, orders
SELECT p.name, o.total FROM people p JOIN orders o ON o.person = p.id ORDER BY o.id
SELECT p.name, o.total FROM people p LEFT JOIN orders o ON o.person = p.id ORDER BY p.id, o.id
SELECT p.name, SUM(o.total) FROM people p LEFT JOIN orders o ON o.person = p.id GROUP BY p.id ORDER BY p.id
SELECT p.name, (SELECT COUNT(*) FROM orders o WHERE o.person = p.id) AS orders FROM people p ORDER BY p.id
SELECT id FROM people WHERE id IN (SELECT person FROM orders) ORDER BY id
SELECT id FROM people p WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.person = p.id) ORDER BY id
SELECT id FROM people WHERE id NOT IN (SELECT person FROM orders) ORDER BY id
SELECT state, COUNT(*) FROM orders GROUP BY state ORDER BY COUNT(*) DESC, state
SELECT DISTINCT state FROM orders ORDER BY state
SELECT state FROM orders UNION SELECT city FROM people ORDER BY 1
SELECT id FROM orders UNION ALL SELECT id FROM people ORDER BY 1
SELECT total, total * 2, total / 7, -total, ABS(total) FROM orders ORDER BY id
SELECT SUM(total), AVG(total), SUM(total) / COUNT(*) FROM orders
SELECT DATE(made), SUM(total) FROM orders GROUP BY DATE(made) ORDER BY 1
SELECT DATE_FORMAT(made, '%Y-%m') AS m, COUNT(*) FROM orders GROUP BY m ORDER BY m
SELECT YEAR(made), MONTH(made), COUNT(*) FROM orders GROUP BY 1, 2 ORDER BY 1, 2
SELECT id, made + INTERVAL 1 DAY, made - INTERVAL 90 SECOND FROM orders ORDER BY id
SELECT id, DATEDIFF(made, '2024-01-01'), TIMESTAMPDIFF(HOUR, '2024-01-01', made) FROM orders ORDER BY id
SELECT id, UNIX_TIMESTAMP(made) FROM orders ORDER BY id
SELECT id, made, seen, day_of, y FROM people ORDER BY id
SELECT id, TIME(made), DATE(made), MICROSECOND(made) FROM people ORDER BY id
! SELECT id, ADDTIME(day_of, '01:00:00'), TIME_TO_SEC(day_of), SEC_TO_TIME(3661) FROM people ORDER BY id
SELECT id, y + 1, CAST(y AS CHAR) FROM people ORDER BY id
SELECT ROW_NUMBER() OVER (ORDER BY id) AS rn, name FROM people ORDER BY id
SELECT id, RANK() OVER (PARTITION BY city ORDER BY salary) AS r FROM people ORDER BY id
SELECT id, SUM(salary) OVER (ORDER BY id) FROM people ORDER BY id
! SELECT id, LAG(name) OVER (ORDER BY id), LEAD(salary, 1, 0) OVER (ORDER BY id) FROM people ORDER BY id
SELECT id, NTILE(3) OVER (ORDER BY id), PERCENT_RANK() OVER (ORDER BY id), CUME_DIST() OVER (ORDER BY id) FROM people ORDER BY id
WITH t AS (SELECT id, name FROM people WHERE id < 4) SELECT * FROM t ORDER BY id
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT i, p.name FROM n JOIN people p ON p.id = i ORDER BY i
SELECT CONCAT(name, '-', id), CONCAT_WS(',', name, email, city) FROM people ORDER BY id
SELECT UPPER(name), LOWER(name), LENGTH(name), CHAR_LENGTH(name), REVERSE(name) FROM people ORDER BY id
SELECT LEFT(name, 2), RIGHT(name, 2), SUBSTRING(name, 2, 2), LPAD(name, 8, '*'), RPAD(name, 8, '-') FROM people ORDER BY id
SELECT TRIM(note), LTRIM(note), REPLACE(note, 'i', 'j'), INSTR(note, 'r'), LOCATE('i', note, 3) FROM people ORDER BY id
! SELECT HEX(name), CRC32(name), MD5(name), SHA1(name), SHA2(name, 256) FROM people ORDER BY id
SELECT TO_BASE64(raw), FROM_BASE64('YQ=='), COMPRESS('') FROM people ORDER BY id
SELECT IF(flags, 'yes', 'no'), IFNULL(email, '-'), NULLIF(city, ''), COALESCE(note, email, name) FROM people ORDER BY id
SELECT CASE WHEN id > 3 THEN 'big' WHEN id > 1 THEN 2 ELSE NULL END FROM people ORDER BY id
SELECT id, note IS NULL, note = '', note <=> NULL, ISNULL(note) FROM people ORDER BY id
SELECT id, name REGEXP '^[a-z]' FROM people ORDER BY id
SELECT id, REGEXP_REPLACE(name, '[aeiou]', '_'), REGEXP_SUBSTR(name, '[a-z]+'), REGEXP_INSTR(name, 'o') FROM people ORDER BY id
SELECT id, name REGEXP '\\d' FROM people ORDER BY id
SELECT id, CAST(salary AS SIGNED), CAST(salary AS CHAR), CAST(name AS BINARY), CAST('2020-01-01' AS DATE) FROM people ORDER BY id
SELECT id, CONVERT(name USING latin1), CONVERT(salary, DECIMAL(12,1)) FROM people ORDER BY id
SELECT id, name + 0, '3 apples' + id FROM people ORDER BY id
SELECT id, salary = '100', name = 0 FROM people ORDER BY id
SELECT id, 1 / 0, 5 % 0 FROM people WHERE id = 1
SELECT id, GREATEST(id, 3), LEAST(id, 3.5), GREATEST(name, 'm'), INTERVAL(id, 2, 4) FROM people ORDER BY id
SELECT id, ELT(id, 'a', 'b', 'c'), FIELD(name, 'bob', 'Ann'), FIND_IN_SET('y', options), MAKE_SET(id, 'a', 'b', 'c') FROM people ORDER BY id
SELECT id, FORMAT(salary, 2), FORMAT(score, 3), FORMAT(total_id, 0) FROM (SELECT id, salary, score, id * 1000 AS total_id FROM people) x ORDER BY id
SELECT id, INET_ATON('10.0.0.1') + id, INET_NTOA(167772160 + id), HEX(INET6_ATON('::1')) FROM people ORDER BY id
SELECT id, CONV(id, 10, 2), OCT(id), BIN(id), HEX(id) FROM people ORDER BY id
SELECT id, POW(id, 2), SQRT(id), EXP(id), LN(id), LOG10(id), LOG2(id), SIN(id), ATAN2(id, 2) FROM people ORDER BY id
SELECT id, id << 3, id & 5, id | 8, id ^ 3, ~id FROM people ORDER BY id
SELECT id, -big, big - 1 FROM people WHERE id = 4
SELECT id, 2 - big FROM people ORDER BY id
SELECT f, d, f + d, f = d FROM numbers ORDER BY n
SELECT n, f * 1e0, d * 1e0, d + 1, -d, ABS(d) FROM numbers ORDER BY n
SELECT n, CAST(f AS CHAR), CAST(d AS CHAR), CONCAT(f), CONCAT(d), CAST(d AS DECIMAL(20,5)) FROM numbers WHERE n NOT IN (3, 4) ORDER BY n
SELECT n, t, s, m, z, dec30 FROM numbers ORDER BY n
SELECT n, dec30 * dec30, dec30 / 3, ROUND(dec30), ROUND(dec30, -2) FROM numbers ORDER BY n
SELECT SUM(f), SUM(d), AVG(f), AVG(t), SUM(t), SUM(m), AVG(dec30) FROM numbers WHERE n NOT IN (3, 4)
SELECT SUM(d) FROM numbers
SELECT n, z, CONCAT(z), z + 0 FROM numbers ORDER BY n
SELECT n, t + s, t * s, m - 1, CAST(m AS SIGNED) - 1 FROM numbers ORDER BY n
SELECT n, m - 1 FROM numbers ORDER BY n
SELECT id, JSON_EXTRACT(doc, '$.a'), JSON_UNQUOTE(JSON_EXTRACT(doc, '$.a')) FROM orders WHERE id IN (1, 2) ORDER BY id
SELECT id, JSON_VALID(doc), JSON_TYPE(doc), JSON_LENGTH(doc), JSON_DEPTH(doc) FROM orders ORDER BY id
SELECT id, JSON_KEYS(doc) FROM orders WHERE id IN (1, 2, 6) ORDER BY id
! SELECT id, doc->'$.a' FROM docs ORDER BY id
! SELECT id, doc->>'$.a' FROM docs ORDER BY id
SELECT id, JSON_EXTRACT(doc, '$.b'), JSON_EXTRACT(doc, '$.a[1]'), JSON_VALUE(doc, '$.b') FROM docs ORDER BY id
SELECT id, JSON_OBJECT('id', id, 'name', name), JSON_ARRAY(id, name, NULL, TRUE) FROM people ORDER BY id
SELECT JSON_ARRAYAGG(id), JSON_OBJECTAGG(id, name) FROM people WHERE id < 4
SELECT id, JSON_SET(doc, '$.z', 9), JSON_MERGE_PATCH(doc, '{"q": 1}'), JSON_REMOVE(doc, '$.a') FROM docs ORDER BY id
! SELECT id, JSON_CONTAINS(doc, '1', '$.b'), JSON_SEARCH(doc, 'one', 'x'), JSON_QUOTE('a"b') FROM docs ORDER BY id
SELECT t.x FROM docs, JSON_TABLE('[1,2,3]', '$[*]' COLUMNS (x INT PATH '$')) t WHERE docs.id = 1 ORDER BY t.x
SELECT id, doc = '{"b": 1, "a": [1, 2.5, true]}' FROM docs ORDER BY id
SELECT id, CAST(doc AS CHAR) FROM docs ORDER BY id
SELECT id, ST_AsText(geo), ST_X(geo), ST_AsBinary(geo) FROM docs ORDER BY id
SELECT id, geo FROM docs ORDER BY id
SELECT id, wide, HEX(wide), LENGTH(wide) FROM docs ORDER BY id
SELECT id FROM docs WHERE MATCH (words) AGAINST ('fox') ORDER BY id
SELECT id FROM docs WHERE MATCH (words) AGAINST ('+lazy -fox' IN BOOLEAN MODE) ORDER BY id
! SELECT id, city, name FROM people GROUP BY city ORDER BY city
! SELECT MAX(id), name FROM people
SELECT id FROM people HAVING id > 3 ORDER BY id
SELECT id FROM people LIMIT 2
SELECT city FROM people ORDER BY city LIMIT 3
SELECT * FROM no_such_table
SELECT no_such_column FROM people
SELECT no_such_function(1) FROM people
SELECT id FROM people WHERE
SELEC id FROM people
SELECT id, id FROM people ORDER BY ids
SELECT id FROM people, orders
SELECT COUNT(*, 1) FROM people
SELECT SUBSTRING() FROM people
SELECT p.* FROM people q
SELECT * FROM no_such_schema.t
SELECT * FROM people WHERE id = (SELECT id FROM orders)
SELECT (SELECT id, person FROM orders WHERE id = 1) FROM people
SELECT AVG(SUM(id)) FROM people
SELECT id FROM people WHERE SUM(id) > 1
SELECT id FROM people UNION SELECT id, person FROM orders
SELECT CAST('abc' AS SIGNED), id FROM people WHERE id = 1
SELECT CAST('abc' AS DATE), CAST('2020-13-01' AS DATE), id FROM people WHERE id = 1
SELECT id FROM people WHERE id = 'abc'
SELECT id FROM people WHERE id = '1abc'
! SELECT id FROM people WHERE born = 'nonsense'
! SELECT id FROM people WHERE made > '2020-02-30' ORDER BY id
SELECT id, name COLLATE utf8mb4_bin FROM people ORDER BY name COLLATE utf8mb4_bin
SELECT id, COLLATION(name), CHARSET(name), COERCIBILITY(name) FROM people ORDER BY id
SELECT id, COLLATION('x'), COLLATION(CONCAT(name, 'x')), CHARSET(CONCAT(id)) FROM people WHERE id = 1
! SELECT id, name = 'ANN' COLLATE utf8mb4_0900_ai_ci FROM people ORDER BY id
! SELECT id, name = 'ANN' COLLATE utf8mb4_uca1400_ai_ci FROM people ORDER BY id
! SELECT id, 'a' = 'a ', 'ß' = 'ss', 'ñ' = 'n' FROM people WHERE id = 1
SELECT id, WEIGHT_STRING(name) FROM people ORDER BY id
SELECT id, SOUNDEX(name), QUOTE(note), UNHEX('4D'), ORD(name), ASCII(name), CHAR(77, 121) FROM people ORDER BY id
SELECT id, CHAR(228 USING utf8mb4), _latin1 x'E4', _binary 'x', N'abc', x'41', 0x41 + 0, b'11' FROM people WHERE id = 1
SELECT id, TRUE, FALSE, NULL, 1.0, 1e0, .5, '1', DATE '2020-01-01', TIME '10:00:00', TIMESTAMP '2020-01-01 00:00:00' FROM people WHERE id = 1
SELECT id, 'a' || 'b', 1 || 0, NOT 1, !1, 1 XOR 1, 5 BETWEEN 1 AND 9 FROM people WHERE id = 1
SELECT id, MAKEDATE(2020, 60), MAKETIME(10, 11, 12), PERIOD_ADD(202001, 3), LAST_DAY('2020-02-01'), DAYNAME('2020-02-01') FROM people WHERE id = 1
! SELECT id, STR_TO_DATE('01,5,2013', '%d,%m,%Y'), STR_TO_DATE('nope', '%d'), FROM_UNIXTIME(86400), FROM_DAYS(730000), TO_DAYS('2020-01-01') FROM people WHERE id = 1
SELECT id, TIMESTAMP('2020-01-01', '10:00:00'), TIMESTAMPADD(MONTH, 1, '2020-01-31'), CONVERT_TZ('2020-01-01 00:00:00', '+00:00', '+01:00'), EXTRACT(YEAR_MONTH FROM '2020-05-06'), TIMEDIFF('10:00:00', '09:00:00') FROM people WHERE id = 1
SELECT id, DATE_ADD('2020-01-31', INTERVAL 1 MONTH), DATE_ADD('2020-01-01 00:00:00', INTERVAL '1.5' SECOND), SUBTIME('2020-01-01 10:00:00', '1:00'), TO_SECONDS('2020-01-01'), WEEKDAY('2020-01-01'), YEARWEEK('2020-01-01') FROM people WHERE id = 1
SELECT id, '2020-01-01' + INTERVAL 1 DAY, DATE('2020-01-01') + 1, TIME('10:00:00') + 1, '10:00:00' + 0 FROM people WHERE id = 1
SELECT id, SUBSTRING_INDEX('a.b.c', '.', 2), INSERT('abcdef', 2, 2, 'X'), REPEAT('ab', 3), SPACE(2), STRCMP('a', 'b') FROM people WHERE id = 1
SELECT id, AES_ENCRYPT('text', 'key'), UNCOMPRESSED_LENGTH(COMPRESS('aaaa')), BIT_COUNT(7), BIT_LENGTH('a'), EXPORT_SET(5, 'Y', 'N', ',', 4) FROM people WHERE id = 1
SELECT id, IS_IPV4('1.2.3.4'), SIGN(-5), MOD(10, 3), 10 DIV 3, TRUNCATE(-1.999, 2), RADIANS(180), DEGREES(PI()), PI() FROM people WHERE id = 1
SELECT id, ROUND(2.5), ROUND(-2.5), ROUND(2.5e0), ROUND(1.005, 2), CEILING(1.2), FLOOR(-1.2) FROM people WHERE id = 1
SELECT id, 1.1 + 2.2, 1.1e0 + 2.2e0, 0.1 + 0.2 = 0.3, 1e0 / 3, 10 / 3, 10.00 / 3, 1e20, 1e14, 1e15, 1e16, 123456789.123456789e0 FROM people WHERE id = 1
SELECT id, 9223372036854775807 + 1 FROM people WHERE id = 1
SELECT id, 18446744073709551615 + 0, -9223372036854775808, 99999999999999999999 FROM people WHERE id = 1
SELECT id, EXP(1000) FROM people WHERE id = 1
SELECT id, NULL + 1, NULL = NULL, NULL <=> NULL, NULL AND 0, NULL OR 1, IFNULL(NULL, 1) FROM people WHERE id = 1
! SELECT VALUE(id) FROM people WHERE id = 1
! SELECT id, rank FROM (SELECT id, id AS `rank` FROM people) x ORDER BY id
SELECT id, `groups` FROM (SELECT id, id AS `groups` FROM people) x ORDER BY id
! SELECT id AS returning FROM people ORDER BY id
! SELECT id AS offset FROM people ORDER BY id
! SELECT id AS system FROM people ORDER BY id
! SELECT id AS cube FROM people ORDER BY id
SELECT id AS manual FROM people ORDER BY id
SELECT id AS `row` FROM people ORDER BY id
SELECT id, name FROM people WHERE (id, name) IN ((1, 'Ann'), (2, 'BOB')) ORDER BY id
SELECT id FROM people WHERE id IN (1, 2, NULL) ORDER BY id
SELECT id FROM people WHERE name BETWEEN 'a' AND 'c' ORDER BY id
SELECT id FROM people WHERE name > 'e' AND name < 'f' ORDER BY id
SELECT city, GROUP_CONCAT(id ORDER BY id) FROM people GROUP BY city WITH ROLLUP
SELECT city, SUM(salary) FROM people GROUP BY city WITH ROLLUP
SELECT state, person, COUNT(*) FROM orders GROUP BY state, person ORDER BY state, person
SELECT id FROM people ORDER BY born, id
SELECT id FROM people ORDER BY kind, id
SELECT id FROM people ORDER BY raw, id
SELECT id FROM people ORDER BY note, id
SELECT id FROM people ORDER BY score, id
SELECT id FROM people ORDER BY FIELD(id, 3, 1, 2), id
SELECT id FROM people ORDER BY -id
SELECT SQL_NO_CACHE id FROM people ORDER BY id
SELECT SQL_SMALL_RESULT id FROM people ORDER BY id
SELECT STRAIGHT_JOIN p.id FROM people p JOIN orders o ON o.person = p.id ORDER BY o.id
SELECT id FROM people USE INDEX (born) WHERE born > '1900-01-01' ORDER BY id
SELECT id FROM people PARTITION (p0)
SELECT id FROM people NATURAL JOIN orders ORDER BY id
SELECT id FROM people INTERSECT SELECT person FROM orders ORDER BY 1
SELECT id FROM people EXCEPT SELECT person FROM orders ORDER BY 1
! VALUES ROW(1, 2), ROW(3, 4)
! TABLE orders
! SELECT * FROM (VALUES ROW(1, 'a'), ROW(2, 'b')) v
! SELECT p.id, x.total FROM people p, LATERAL (SELECT SUM(total) AS total FROM orders o WHERE o.person = p.id) x ORDER BY p.id
! SELECT id, ANY_VALUE(name) FROM people GROUP BY id ORDER BY id
! SELECT id, DECODE('a', 'b') FROM people WHERE id = 1
! SELECT id, ENCODE('a', 'b') FROM people WHERE id = 1
! SELECT id, ENCRYPT('a', 'bb') FROM people WHERE id = 1
! SELECT id, DES_ENCRYPT('a') FROM people WHERE id = 1
! SELECT id, OLD_PASSWORD('a') FROM people WHERE id = 1
! SELECT id, NVL(note, 'x'), NVL2(note, 1, 2) FROM people ORDER BY id
! SELECT id, TO_CHAR(made, 'YYYY-MM-DD') FROM people ORDER BY id
! SELECT id, MEDIAN(salary) OVER () FROM people ORDER BY id
! SELECT id, SFORMAT('{}', id) FROM people ORDER BY id
! SELECT id, NATURAL_SORT_KEY(name) FROM people ORDER BY id
! SELECT id, CHR(65), LENGTHB(name), ADD_MONTHS('2020-01-31', 1) FROM people WHERE id = 1
! SELECT id, BIN_TO_UUID(UUID_TO_BIN('6ccd780c-baba-1026-9564-5b8c656024db')) FROM people WHERE id = 1
! SELECT id, REGEXP_LIKE(name, '^a', 'i') FROM people ORDER BY id
SELECT id, JSON_PRETTY(doc) FROM docs ORDER BY id
! SELECT id, JSON_DETAILED(doc), JSON_COMPACT(doc), JSON_LOOSE(doc) FROM docs ORDER BY id
! SELECT id, JSON_STORAGE_SIZE(doc) FROM docs ORDER BY id
! SELECT id, JSON_OVERLAPS('[1,2]', '[2,3]'), JSON_NORMALIZE('{"b":1,"a":2}') FROM docs WHERE id = 1
! SELECT id, 1 MEMBER OF ('[1,2]') FROM docs WHERE id = 1
! SELECT id, GROUPING(id) FROM people GROUP BY id WITH ROLLUP
! SELECT id, FORMAT_BYTES(1024), PS_CURRENT_THREAD_ID() IS NULL FROM people WHERE id = 1
! SELECT id, STATEMENT_DIGEST('SELECT 1') FROM people WHERE id = 1
SELECT id, ST_Distance(geo, geo), ST_GeomFromText('POINT(1 1)') FROM docs ORDER BY id
! SELECT id, AsText(geo), X(geo) FROM docs ORDER BY id
! SELECT id, GEOMETRYTYPE(geo), SRID(geo) FROM docs ORDER BY id
SELECT id, CAST(score AS FLOAT), CAST(salary AS DOUBLE) FROM people ORDER BY id
! SELECT id, CAST(made AS TIME), CAST(made AS DATETIME(1)), CAST(day_of AS CHAR) FROM people ORDER BY id
! SELECT id, CAST(made AS YEAR) FROM people ORDER BY id
! SELECT id, CAST(id AS JSON) FROM people ORDER BY id
SELECT id, TIMESTAMP(made) = made, made = DATE(made), day_of > '10:00' FROM people ORDER BY id
SELECT id, made > 20200101, born + 0, made + 0, day_of + 0 FROM people ORDER BY id
! SELECT id, ROUND(made), ABS(born), born = 19800229 FROM people ORDER BY id
SELECT id, CONCAT(born), CONCAT(made), CONCAT(day_of), CONCAT(y), CONCAT(flags) FROM people ORDER BY id
SELECT id, IF(born, born, 'none'), IFNULL(made, 0), COALESCE(born, salary), IFNULL(salary, 'x') FROM people ORDER BY id
! SELECT id, LEAST(born, '2000-01-01'), GREATEST(made, '2000-01-01') FROM people ORDER BY id
SELECT id, INTERVAL 1 DAY + born, DATE_SUB(made, INTERVAL 1 MICROSECOND) FROM people ORDER BY id
SELECT id, TIME_FORMAT(day_of, '%H-%i'), HOUR(day_of), MINUTE(day_of), SECOND(day_of) FROM people ORDER BY id
SELECT id FROM people WHERE made BETWEEN '2020-01-01' AND '2020-12-31' ORDER BY id
SELECT id FROM people WHERE DATE(made) = '2020-02-03' ORDER BY id
SELECT id FROM people WHERE y = 99 OR y = '24' ORDER BY id
SELECT id FROM people WHERE kind = 'A' OR kind = 3 ORDER BY id
SELECT id FROM people WHERE FIND_IN_SET('x', options) ORDER BY id
SELECT id FROM people WHERE raw = 'A' ORDER BY id
SELECT id FROM people WHERE bits = 5 ORDER BY id
SELECT id FROM people WHERE big = 18446744073709551615 ORDER BY id
SELECT id FROM people WHERE ratio = 0.1 ORDER BY id
SELECT id FROM people WHERE score = 0.1 ORDER BY id
SELECT id FROM people WHERE salary = 1.1 ORDER BY id
SELECT id FROM people WHERE email LIKE '%@EXAMPLE.org' ORDER BY id
SELECT id FROM people WHERE note LIKE 'trailing__' ORDER BY id
SELECT id FROM people WHERE name LIKE 'E%' COLLATE utf8mb4_bin ORDER BY id
SELECT id FROM people WHERE name = _latin1 'Ann' ORDER BY id
SELECT id FROM people WHERE CONCAT(name, city) = 'AnnRome' ORDER BY id
SELECT COUNT(*) FROM people WHERE note > ''
SELECT COUNT(*) FROM people GROUP BY flags
SELECT id, city FROM people
SELECT id, state FROM orders WHERE state = 'NEW'
SELECT name, email FROM people WHERE id IN (1, 2, 3)
! SELECT LENGTH(GROUP_CONCAT(REPEAT('x', 600))) FROM people
SELECT id, BENCHMARK(1, 1) FROM people WHERE id = 1
SELECT id, @@version FROM people WHERE id = 1
! SELECT VERSION(), @@sql_mode, @@collation_connection
SELECT id FROM people WHERE name REGEXP '('
! SELECT id FROM people WHERE name REGEXP '[[:<:]]ann[[:>:]]' ORDER BY id
! SELECT id, JSON_EXTRACT('{bad', '$.a') FROM people WHERE id = 1
! SELECT id, JSON_EXTRACT('{}', 'bad path') FROM people WHERE id = 1
! SELECT id, ST_GeomFromText('POINT(1') FROM people WHERE id = 1
! SELECT id, INET6_ATON('nonsense'), UNHEX('zz') FROM people WHERE id = 1
SELECT id, name FROM people WHERE id = 1 AND 1 = (SELECT 1 UNION SELECT 2)
SELECT id FROM people ORDER BY 5
SELECT id FROM people GROUP BY 7
SELECT id, COUNT(*) OVER w FROM people
! SELECT LAST_VALUE(id) FROM people
SELECT id FROM people WHERE name = CONVERT('x' USING no_such_set)
SELECT id FROM people WHERE name = 'x' COLLATE latin1_bin
SELECT id FROM people WHERE name COLLATE utf8mb4_bin = name COLLATE utf8mb4_general_ci
SELECT id FROM people p JOIN people p ON p.id = p.id
SELECT * FROM (SELECT id, id FROM people) x
SELECT * FROM (SELECT id FROM people)
SELECT id, (SELECT id, name FROM people LIMIT 1) FROM people
SELECT id FROM people WHERE (id, name) = (1, 2, 3)
SELECT id FROM people LIMIT -1
SELECT id FROM people FORCE INDEX (nope)
SELECT id INTO @x FROM people
! SELECT GROUP_CONCAT(id ORDER BY id LIMIT 2) FROM people
! SELECT id, DATE_FORMAT(made, '%v %x %f'), STR_TO_DATE('2020', '%Y') FROM people ORDER BY id
SELECT id, ROUND(score, 30), score + 1e-10, score * ratio FROM people ORDER BY id
! SELECT id, CAST(1.5 AS SIGNED), CAST('1e3' AS SIGNED), CAST(-1 AS UNSIGNED), CAST(1e19 AS SIGNED) FROM people WHERE id = 1
SELECT id, CAST('99:99:99' AS TIME), CAST('12:60:00' AS TIME), TIME('1 10:00:00') FROM people WHERE id = 1
SELECT id, DATE('2020-02-30'), DAY('2020-02-30'), LAST_DAY('2020-02-30') FROM people WHERE id = 1
! SELECT id, HEX(WEIGHT_STRING('a')), HEX(CHAR(256)), HEX(-1), CONV(-1, 10, 16) FROM people WHERE id = 1
SHOW WARNINGS
SHOW TABLES
SHOW COLUMNS FROM people
SHOW CREATE TABLE orders
SHOW INDEX FROM orders
SHOW CREATE VIEW grown
SHOW COLLATION LIKE 'utf8mb4_general_ci'
EXPLAIN SELECT * FROM people WHERE id = 1
EXPLAIN SELECT p.id FROM people p JOIN orders o ON o.person = p.id
