// The rows of every group. A group is a table entry in main.cc; its rows live in NAME_rows.cc.
#pragma once

#include "bench/harness.h"

namespace forebay::bench {

void PolicyRows(Report& report);   // hit ratios of eviction and admission
void RuntimeRows(Report& report);  // loopback messages and streams, per I/O backend
void StoreRows(Report& report);    // the tiers of one node: all of the following

void StoreMemoryRows(Report& report);  // against memcpy
void StoreDiskRows(Report& report);    // against fio
void StoreSpaceRows(Report& report);   // what a full tier holds
void StoreIndexRows(Report& report);   // restarts with millions of blocks, and what they cost

void WindowRows(Report& report);      // local hits through shared memory, against the page cache
void NodeLocalRows(Report& report);   // the program and the C library on one machine, against files
void NodeRemoteRows(Report& report);  // the same by TCP, against a bare stream and redis
void NodeLoopsRows(Report& report);   // many connections, against one loop
void NodeCostRows(Report& report);    // system calls, allocations and copies a request
void NodeOriginRows(Report& report);  // cold reading against dd, and what the origin is asked for

void OriginRows(Report& report);     // stores of objects through a node, against curl
void SlowStoreRows(Report& report);  // the same from Azurite and moto

void S3Rows(Report& report);  // the S3 door, against nginx and a server of S3

void PlacementRows(Report& report);  // who owns what in a cell

}  // namespace forebay::bench
