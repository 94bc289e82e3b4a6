CREATE DATABASE shop CHARACTER SET utf8mb4;
USE shop;
CREATE TABLE products (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(80) NOT NULL, price DECIMAL(10,2) NOT NULL, stock INT NOT NULL);
CREATE TABLE customers (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(80) NOT NULL, city VARCHAR(80));
CREATE TABLE orders (id INT PRIMARY KEY AUTO_INCREMENT, customer_id INT NOT NULL, product_id INT NOT NULL, quantity INT NOT NULL,
  created TIMESTAMP DEFAULT CURRENT_TIMESTAMP, KEY (customer_id), FOREIGN KEY (customer_id) REFERENCES customers (id));
INSERT INTO products (name, price, stock) VALUES ('teapot', 24.90, 12), ('cup', 6.50, 40), ('spoon', 2.20, 0), ('kettle', 49.00, 9), ('tray', 15.75, 20);
INSERT INTO customers (name, city) VALUES ('Ada', 'London'), ('Grace', 'New York'), ('Édith', 'Paris');
INSERT INTO orders (customer_id, product_id, quantity) VALUES (1, 1, 1), (1, 2, 6), (2, 4, 1);
CREATE VIEW bestsellers AS SELECT p.name, CAST(SUM(o.quantity) AS SIGNED) AS bought
  FROM products p JOIN orders o ON o.product_id = p.id GROUP BY p.name ORDER BY p.name;
-- For DbMux's own questions; `dbmux grants` prints these rights for a configuration.
CREATE USER 'dbmux'@'%' IDENTIFIED BY 'dbmux-password';
GRANT REFERENCES, TRIGGER, SELECT, SHOW VIEW, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'dbmux'@'%';
