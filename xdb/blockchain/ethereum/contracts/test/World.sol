// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Net, vm} from "./Net.sol";

/// @title What must stand in the registry: kept from the calls it took, without asking it
abstract contract World is Net {
    struct FileModel {
        address owner;
        uint64 expiry;
        uint64 deleted;
        bytes32 manifest;
        bytes record; // abi.encode(Record)
        bytes stale; // one that was in force before, or empty
    }

    struct SegmentModel {
        bytes32 file;
        uint64 slot;
        uint64 start;
        uint64 leaves;
        uint64 replicaLeaves;
        bytes32 root;
        uint64 ended;
        bool dropped;
    }

    uint256 internal constant NODES = 6;
    uint256 internal constant OWNERS = 3;
    uint256 internal constant TAGS = 2; // namespaces of each owner, and names in each

    address[] internal nodes;
    address[] internal owners;
    bytes32[] internal files; // every id that was ever published
    mapping(bytes32 => FileModel) internal models;
    mapping(address => SegmentModel[]) internal segments;
    mapping(address => uint64) internal leavesOf;
    mapping(address => bytes) internal nodeRecords; // abi.encode(NodeRecord)
    mapping(address => uint256) internal keys; // of all who sign
    mapping(address => mapping(bytes32 => bytes)) internal policies; // abi.encode(Redundancy, time)
    uint64 internal genesis;

    function _populate() internal {
        genesis = uint64(block.number);
        for (uint256 i = 0; i < OWNERS; ++i) {
            owners.push(vm.addr(1000 + i));
        }
        for (uint256 i = 0; i < NODES; ++i) {
            nodes.push(vm.addr(2000 + i));
            for (uint256 k = 0; k < 4; ++k) {
                keys[vm.addr(_signerKey(i, k))] = _signerKey(i, k);
            }
        }
    }

    function _signerKey(uint256 node, uint256 k) internal pure returns (uint256) {
        return 3000 + 16 * node + k;
    }

    function _present() internal view returns (uint64) {
        return uint64((block.number - genesis) / _parameters().epoch);
    }

    function _now() internal view returns (uint64) {
        return uint64(block.timestamp);
    }

    // ------------------------------------------------------------------ nodes

    function _isKnown(address node) internal view returns (bool) {
        return nodeRecords[node].length != 0;
    }

    function _node(address node) internal view returns (NodeRecord memory) {
        return abi.decode(nodeRecords[node], (NodeRecord));
    }

    function _signerOf(address node) internal view returns (address) {
        NodeRecord memory record = _node(node);
        return _present() >= record.signerEpoch ? record.signer : record.formerSigner;
    }

    /// @dev Up to `count` nodes that are online, those from `first` on first.
    function _online(uint256 first, uint256 count) internal view returns (address[] memory found) {
        found = new address[](count);
        uint256 used = 0;
        for (uint256 i = 0; i < NODES && used < count; ++i) {
            address node = nodes[(first % NODES + i) % NODES];
            if (_isKnown(node) && _node(node).state == 1) found[used++] = node;
        }
        assembly { mstore(found, used) }
    }

    // ------------------------------------------------------------------ files

    function _record(bytes32 file) internal view returns (Record memory) {
        return abi.decode(models[file].record, (Record));
    }

    function _ends(bytes32 file) internal view returns (uint64) {
        FileModel storage model = models[file];
        bool isDeleted = model.deleted != 0 && model.deleted < model.expiry;
        return isDeleted ? model.deleted : model.expiry;
    }

    function _isLive(bytes32 file) internal view returns (bool) {
        return models[file].owner != address(0) && _now() < _ends(file);
    }

    function _goneFrom(bytes32 file) internal view returns (uint64) {
        return _ends(file) + _parameters().retention;
    }

    function _put(bytes32 file, Record memory record) internal {
        models[file].stale = models[file].record;
        models[file].record = abi.encode(record);
    }

    // ------------------------------------------------------------------ segments

    /// @dev Where the node's next segment stands, as in `Place`.
    function _nextSegment(address node) internal view returns (uint256) {
        return (segments[node].length << 48) | leavesOf[node];
    }

    function _append(bytes32 file, uint64 slot, Holder memory h) internal {
        segments[h.node].push(
            SegmentModel(file, slot, leavesOf[h.node], h.leaves, h.replicaLeaves, h.root, 0, false)
        );
        leavesOf[h.node] += h.leaves;
    }

    function _drop(Place memory place) internal {
        SegmentModel storage segment = segments[place.node][place.segment >> 48];
        if (segment.ended == 0) segment.ended = _present() + 1;
        segment.dropped = true;
    }

    // ------------------------------------------------------------------ receipts

    /// @dev A holding of some shape, not signed.
    function _holding(address node, uint256 seed, uint64 expiry)
        internal
        view
        returns (Holder memory h)
    {
        h.node = node;
        h.root = keccak256(abi.encode("root", seed));
        h.leaves = uint64(1 + seed % 9);
        h.replicaLeaves = uint64(1 + seed % h.leaves);
        h.size = h.leaves * 200;
        h.latestExpiry = expiry + uint64(seed % 2000);
        h.validUntil = _now() + uint64(seed % 301);
    }

    /// @dev The same holding as the slot's, with another node, not signed.
    function _alike(Place memory place, address node, uint256 seed, uint64 expiry)
        internal
        view
        returns (Holder memory h)
    {
        h = _holding(node, seed, expiry);
        (h.root, h.leaves, h.replicaLeaves, h.size) =
            (place.root, place.leaves, place.replicaLeaves, place.size);
    }

    function _signed(bytes32 file, uint64 slot, bytes32 root, uint64 version, Holder memory h)
        internal
        view
    {
        _sign(keys[_signerOf(h.node)], _receipt(file, slot, root, version, h), h);
    }
}
