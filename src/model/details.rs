//! stub.

