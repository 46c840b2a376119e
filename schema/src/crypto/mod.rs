pub mod upload_stream;
