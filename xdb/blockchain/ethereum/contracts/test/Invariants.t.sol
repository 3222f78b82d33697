// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Attacks} from "./Attacks.sol";

/// @title What holds after any calls: the registry is asked, and compared with the model
contract Checks is Attacks {
    /// @dev Owner, expiry, deletion and record are as the owner's calls left them, and nobody else's.
    function owned() external view {
        for (uint256 i = 0; i < files.length; ++i) {
            (address owner, uint64 expiry, uint64 deleted, bytes32 commitment) =
                registry.fileOf(files[i]);
            FileModel storage model = models[files[i]];
            require(owner == model.owner, "owner");
            if (owner == address(0)) {
                require(expiry == 0 && deleted == 0 && commitment == 0, "released");
                continue;
            }
            require(expiry == model.expiry && deleted == model.deleted, "times");
            require(commitment == keccak256(model.record), "record");
        }
    }

    /// @dev Of all files that are neither deleted nor gone, each holds its name.
    function names() external view {
        for (uint256 i = 0; i < files.length; ++i) {
            FileModel storage model = models[files[i]];
            if (model.owner == address(0) || model.deleted != 0) continue;
            if (_now() >= _goneFrom(files[i])) continue;
            Record memory record = _record(files[i]);
            bytes32 holder = registry.named(model.owner, record.namespace, record.name);
            require(holder == files[i], "a live name of two files");
        }
    }

    /// @dev A file's slots are with distinct nodes, each in the segment that the record names.
    function places() external view {
        for (uint256 i = 0; i < files.length; ++i) {
            if (models[files[i]].owner == address(0)) continue;
            Record memory record = _record(files[i]);
            require(record.version > 0 && record.places.length == record.redundancy.total, "slots");
            for (uint256 slot = 0; slot < record.places.length; ++slot) {
                Place memory place = record.places[slot];
                for (uint256 j = 0; j < slot; ++j) {
                    require(record.places[j].node != place.node, "two slots with one node");
                }
                (, , bool dropped) = registry.segment(place.node, uint64(place.segment >> 48));
                require(!dropped, "a place without its segment");
            }
        }
    }

    /// @dev Segments are only appended, each begins where the one before it ends, and what has
    /// ended stays so. Held are those that have not, and records name all that were not dropped.
    function spaces() external view {
        uint256 named = 0;
        for (uint256 i = 0; i < NODES; ++i) {
            named += _space(nodes[i]);
        }
        for (uint256 i = 0; i < files.length; ++i) {
            if (models[files[i]].owner != address(0)) named -= _record(files[i]).places.length;
        }
        require(named == 0, "segments that no record names");
    }

    function _space(address node) private view returns (uint256 named) {
        SegmentModel[] storage all = segments[node];
        (uint64 count, uint64 leaves, uint64 drawn, uint64 held,) = registry.space(node);
        require(count == all.length && leaves == leavesOf[node] && drawn <= leaves, "space");
        uint64 start = 0;
        for (uint64 k = 0; k < count; ++k) {
            SegmentModel storage s = all[k];
            require(s.start == start, "overlap");
            start += s.leaves;
            (bytes28 digest, uint64 ended, bool dropped) = registry.segment(node, k);
            bytes32 expected = keccak256(
                abi.encode(s.file, s.slot, s.start, s.leaves, s.replicaLeaves, s.root)
            );
            require(digest == bytes28(expected), "segment");
            require(ended == s.ended && dropped == s.dropped, "ended");
            if (ended == 0) --held;
            if (!dropped) ++named;
        }
        require(start == leaves && held == 0, "held");
    }

    function nodesAndNamespaces() external view {
        for (uint256 i = 0; i < NODES; ++i) {
            bytes memory expected = nodeRecords[nodes[i]];
            NodeRecord memory found = registry.node(nodes[i]);
            if (expected.length == 0) require(found.state == 0, "node from nowhere");
            else require(keccak256(abi.encode(found)) == keccak256(expected), "node");
        }
        for (uint256 i = 0; i < OWNERS * TAGS; ++i) {
            bytes32 tag = bytes32(i % TAGS + 1);
            (Redundancy memory policy, uint64 created) =
                registry.namespaceOf(owners[i / TAGS], tag);
            bytes memory expected = policies[owners[i / TAGS]][tag];
            if (expected.length == 0) require(created == 0, "namespace from nowhere");
            else require(keccak256(abi.encode(policy, created)) == keccak256(expected), "namespace");
        }
    }
}

/// @title Owners, nodes and others call as they like
contract InvariantsTest {
    Checks private checks;

    function setUp() external {
        checks = new Checks();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(checks);
    }

    /// @dev One function, so that every sequence of calls is held against all of it.
    function invariant_registryIsAsTheModelSays() external view {
        checks.owned();
        checks.names();
        checks.places();
        checks.spaces();
        checks.nodesAndNamespaces();
    }
}
