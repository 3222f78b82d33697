// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {World} from "./World.sol";

/// @title Calls as their senders would make them, and the records they lead to
abstract contract Building is World {
    /// @dev A file that the namespace's policy allows, on nodes that are online.
    function _newFile(address owner, uint256 seed) internal view returns (NewFile memory fresh) {
        fresh.nonce = bytes16(uint128(seed % 5));
        fresh.namespace = bytes32(seed / 5 % TAGS + 1);
        fresh.name = bytes32(seed / 10 % TAGS + 1);
        fresh.manifest = keccak256(abi.encode("manifest", seed));
        bytes memory policy = policies[owner][fresh.namespace];
        if (policy.length != 0) (fresh.redundancy,) = abi.decode(policy, (Redundancy, uint64));
        fresh.size = uint64(seed % 5000);
        fresh.expiry = _now() + 1 + uint64(seed / 20 % 3000);
        address[] memory on = _online(seed / 7, fresh.redundancy.total);
        fresh.holders = new Holder[](on.length);
        for (uint256 i = 0; i < on.length; ++i) {
            fresh.holders[i] = _holding(on[i], seed, fresh.expiry);
        }
        fresh.label = "label";
    }

    function _rootOfNew(NewFile memory fresh) internal pure returns (bytes32) {
        bytes32[] memory leaves = new bytes32[](fresh.holders.length + 1);
        leaves[0] = fresh.manifest;
        for (uint256 i = 0; i < fresh.holders.length; ++i) {
            leaves[i + 1] = fresh.holders[i].root;
        }
        return _rootOf(leaves);
    }

    function _signNew(bytes32 file, NewFile memory fresh) internal view {
        bytes32 root = _rootOfNew(fresh);
        for (uint256 i = 0; i < fresh.holders.length; ++i) {
            _signed(file, uint64(i + 1), root, 1, fresh.holders[i]);
        }
    }

    function _renewal(bytes32 file, Record memory record, uint256 seed)
        internal
        view
        returns (bytes memory data, Record memory renewed, uint64 expiry)
    {
        uint64 least = models[file].expiry > _now() ? models[file].expiry : _now() + 1;
        expiry = least + uint64(seed % 1500);
        Renewal[] memory renewals = new Renewal[](record.places.length);
        uint256 count = 0;
        renewed = abi.decode(abi.encode(record), (Record));
        for (uint64 i = 0; i < record.places.length; ++i) {
            Place memory place = renewed.places[i];
            // Mostly where it has to be, at times where it has not, at times not where it has to.
            bool isNeeded = place.latestExpiry < expiry;
            if ((seed >> (32 + i)) & 7 == 0 ? isNeeded : !isNeeded) continue;
            Holder memory h = _alike(place, place.node, seed >> 8, expiry);
            _signed(file, i + 1, record.root, record.version, h);
            renewals[count++] = Renewal(i + 1, h);
            if (h.latestExpiry > place.latestExpiry) place.latestExpiry = h.latestExpiry;
        }
        assembly { mstore(renewals, count) }
        data = abi.encodeCall(registry.renew, (file, record, expiry, renewals));
    }

    function _renaming(bytes32 file, Record memory record, uint256 seed)
        internal
        view
        returns (bytes memory data, Record memory renamed)
    {
        renamed = abi.decode(abi.encode(record), (Record));
        renamed.name = bytes32(seed % TAGS + 1);
        data = abi.encodeCall(registry.rename, (file, record, renamed.name, "other"));
    }

    /// @dev Mostly to another node, at times to the same.
    function _moving(bytes32 file, Record memory record, uint256 seed)
        internal
        view
        returns (bytes memory data, Record memory moved, uint64 slot, Holder memory h)
    {
        slot = uint64(seed % record.places.length) + 1;
        Place memory old = record.places[slot - 1];
        address to = _other(record, seed / 8);
        if (to == address(0) || seed / 256 % 4 == 0) to = old.node;
        h = _alike(old, to, seed, models[file].expiry);
        moved = abi.decode(abi.encode(record), (Record));
        moved.version = record.version + 1;
        if (_isKnown(to)) _signed(file, slot, record.root, moved.version, h);
        moved.places[slot - 1] = _placeOf(h, _nextSegment(to));
        data = abi.encodeCall(registry.move, (file, record, slot, h));
    }

    function _extending(bytes32 file, Record memory record, uint256 seed)
        internal
        view
        returns (bytes memory data, Record memory extended, Holder memory h)
    {
        uint256 total = record.places.length;
        address to = _other(record, seed);
        if (to == address(0)) to = record.places[0].node;
        h = _alike(record.places[0], to, seed, models[file].expiry);
        h.root = keccak256(abi.encode("copy", seed));
        extended = abi.decode(abi.encode(record), (Record));
        extended.places = new Place[](total + 1);
        for (uint256 i = 0; i < total; ++i) {
            extended.places[i] = record.places[i];
        }
        extended.places[total] = _placeOf(h, _nextSegment(to));
        bytes32[] memory leaves = _leavesOf(models[file].manifest, extended.places);
        extended.root = _rootOf(leaves);
        extended.version = record.version + 1;
        extended.redundancy.total = uint64(total + 1);
        _signed(file, uint64(total + 1), extended.root, extended.version, h);
        bytes32[] memory siblings = _siblings(leaves, total + 1);
        data = abi.encodeCall(registry.extend, (file, record, h, siblings));
    }

    function _shrinking(bytes32 file, Record memory record)
        internal
        view
        returns (bytes memory data, Record memory shrunk)
    {
        uint256 total = record.places.length;
        bytes32[] memory siblings =
            _siblings(_leavesOf(models[file].manifest, record.places), total);
        shrunk = abi.decode(abi.encode(record), (Record));
        shrunk.places = new Place[](total - 1);
        for (uint256 i = 0; i < total - 1; ++i) {
            shrunk.places[i] = record.places[i];
        }
        shrunk.root = _rootOf(_leavesOf(models[file].manifest, shrunk.places));
        shrunk.version = record.version + 1;
        shrunk.redundancy.total = uint64(total - 1);
        data = abi.encodeCall(registry.shrink, (file, record, siblings));
    }

    /// @dev A node online that holds no slot of the file, or 0.
    function _other(Record memory record, uint256 seed) private view returns (address) {
        address[] memory on = _online(seed, NODES);
        for (uint256 i = 0; i < on.length; ++i) {
            bool isApart = true;
            for (uint256 j = 0; j < record.places.length; ++j) {
                if (record.places[j].node == on[i]) isApart = false;
            }
            if (isApart) return on[i];
        }
        return address(0);
    }

    function _held(address node, uint256 index) internal view returns (Held memory) {
        SegmentModel storage s = segments[node][index];
        return Held(uint64(index), s.file, s.slot, s.start, s.leaves, s.replicaLeaves, s.root);
    }
}
