//! RabbitMQ: AMQP and nothing else.

pub mod messages;
pub mod topology;

pub mod connection;
pub mod consumer;
