CREATE DATABASE shop CHARACTER SET utf8mb4;
USE shop;
CREATE TABLE products (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(80) NOT NULL, price DECIMAL(10,2) NOT NULL, stock INT NOT NULL);
CREATE TABLE customers (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(80) NOT NULL, city VARCHAR(80));
CREATE TABLE orders (id INT PRIMARY KEY AUTO_INCREMENT, customer_id INT NOT NULL, product_id INT NOT NULL, quantity INT NOT NULL,
  created TIMESTAMP DEFAULT CURRENT_TIMESTAMP, KEY (customer_id), FOREIGN KEY (customer_id) REFERENCES customers (id));
INSERT INTO products (name, price, stock) VALUES ('teapot', 24.90, 12), ('cup', 6.50, 40), ('spoon', 2.20, 0), ('kettle', 49.00, 9), ('tray', 15.75, 20);
INSERT INTO customers (name, city) VALUES ('Ada', 'London'), ('Grace', 'New York'), ('Édith', 'Paris'), ('straße', 'Köln'), ('strasse', 'Berlin');
INSERT INTO orders (customer_id, product_id, quantity, created) VALUES (1, 1, 1, '2026-01-01 10:00:00'), (1, 2, 6, '2026-01-01 10:00:00'),
  (2, 4, 1, '2026-01-02 11:30:00');
-- Reads one server's log and writes to the other; `dbmux grants` prints these rights for a configuration, but for EVENT,
-- which `dbmux upgrade check` wants.
CREATE USER 'dbmux'@'%' IDENTIFIED BY 'dbmux-password';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, LOCK TABLES, REFERENCES, TRIGGER, SHOW VIEW, EVENT,
  REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'dbmux'@'%';
