// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Building} from "./Building.sol";
import {vm} from "./Net.sol";

/// @title Calls of several owners and nodes, as a fuzzer chooses them
/// @notice Honest calls that the registry refuses are counted as discarded; where the rules leave
/// no choice, the outcome is demanded. Everything is possible to whoever may; `Attacks` has the rest.
abstract contract Handler is Building {
    function _took(address sender, bytes memory data) internal returns (bool ok) {
        (ok,) = _send(sender, data);
    }

    // ------------------------------------------------------------------ time

    function wait(uint256 seed) external {
        uint256 blocks = seed % 8 == 0 ? 1 + seed / 8 % 150 : 1 + seed / 8 % 12;
        vm.roll(block.number + blocks);
        vm.warp(block.timestamp + 12 * blocks);
    }

    // ------------------------------------------------------------------ nodes

    function registerNode(uint256 seed) public {
        uint256 i = seed % NODES;
        bool expected = !_isKnown(nodes[i]);
        NodeRecord memory r;
        r.signer = r.formerSigner = vm.addr(_signerKey(i, 0));
        r.signerEpoch = _present();
        r.endpoint = Endpoint("n.example:1", bytes32(seed), 0);
        (r.operator, r.zone, r.capacity) = ("o", "z", uint64(seed >> 200));
        r.state = 1;
        r.registered = _now();
        bytes memory data = abi.encodeCall(
            registry.registerNode, (r.signer, r.endpoint, r.operator, r.zone, r.capacity)
        );
        require(_took(nodes[i], data) == expected, "registerNode");
        vm.assume(expected);
        nodeRecords[nodes[i]] = abi.encode(r);
    }

    function updateNode(uint256 seed) external {
        uint256 i = seed % NODES;
        NodeChanges memory c;
        c.setSigner = seed & 0x100 != 0;
        c.setEndpoint = seed & 0x200 != 0;
        c.setOperator = seed & 0x400 != 0;
        c.setZone = seed & 0x800 != 0;
        c.setCapacity = seed & 0x1000 != 0;
        c.signer = vm.addr(_signerKey(i, seed >> 16 & 3));
        c.endpoint = Endpoint("m.example:2", bytes32(seed), bytes32(seed >> 1));
        (c.operator, c.zone, c.capacity) = ("p", "y", uint64(seed >> 200));
        vm.assume(_took(nodes[i], abi.encodeCall(registry.updateNode, (c))));
        NodeRecord memory r = _node(nodes[i]);
        if (c.setSigner) {
            r.formerSigner = _signerOf(nodes[i]);
            r.signer = c.signer;
            r.signerEpoch = _present() + 1;
        }
        if (c.setEndpoint) r.endpoint = c.endpoint;
        if (c.setOperator) r.operator = c.operator;
        if (c.setZone) r.zone = c.zone;
        if (c.setCapacity) r.capacity = c.capacity;
        nodeRecords[nodes[i]] = abi.encode(r);
    }

    function setNodeState(uint256 seed) external {
        address node = nodes[seed % NODES];
        uint8 state = seed >> 8 & 3 != 0 ? 1 : uint8(1 + (seed >> 16) % 4);
        vm.assume(_took(node, abi.encodeCall(registry.setNodeState, (state))));
        NodeRecord memory r = _node(node);
        require(r.state != 4 && (state != 1 || r.resigned == 0), "setNodeState");
        bool isFree = r.resigned != 0 && _now() >= r.resigned + _parameters().notice;
        if (state == 4 && !isFree) {
            require(r.state == 2, "left without draining");
            for (uint256 i = 0; i < segments[node].length; ++i) {
                require(segments[node][i].ended != 0, "left with holdings");
            }
        }
        r.state = state;
        nodeRecords[node] = abi.encode(r);
    }

    function heartbeatOrResign(uint256 seed) external {
        address node = nodes[seed % NODES];
        if (seed >> 8 & 7 != 0) {
            vm.assume(_isKnown(node) && _node(node).state != 4);
            require(
                _took(_signerOf(node), abi.encodeCall(registry.heartbeat, (node))), "heartbeat"
            );
            return;
        }
        vm.assume(_took(node, abi.encodeCall(registry.resign, ())));
        NodeRecord memory r = _node(node);
        require(r.resigned == 0 && r.state != 4, "resigned twice");
        r.resigned = _now();
        if (r.state == 1) r.state = 2;
        nodeRecords[node] = abi.encode(r);
    }

    // ------------------------------------------------------------------ namespaces

    function _policy(uint256 seed) internal pure returns (Redundancy memory) {
        return seed % 3 == 0 ? Redundancy(2, 2, 3) : Redundancy(1, 1, uint64(1 + seed / 3 % 3));
    }

    function createNamespace(uint256 seed) public {
        address owner = owners[seed % OWNERS];
        bytes32 tag = bytes32(seed / OWNERS % TAGS + 1);
        Redundancy memory policy = _policy(seed >> 8);
        bool expected = policies[owner][tag].length == 0;
        bytes memory data = abi.encodeCall(registry.createNamespace, (tag, "l", policy, 1));
        require(_took(owner, data) == expected, "createNamespace");
        vm.assume(expected);
        policies[owner][tag] = abi.encode(policy, _now());
    }

    function updateNamespace(uint256 seed) external {
        address owner = owners[seed % OWNERS];
        bytes32 tag = bytes32(seed / OWNERS % TAGS + 1);
        Redundancy memory policy = _policy(seed >> 8);
        bool expected = policies[owner][tag].length != 0;
        bytes memory data = abi.encodeCall(registry.updateNamespace, (tag, false, "", true, policy));
        require(_took(owner, data) == expected, "updateNamespace");
        vm.assume(expected);
        (, uint64 created) = abi.decode(policies[owner][tag], (Redundancy, uint64));
        policies[owner][tag] = abi.encode(policy, created);
    }

    // ------------------------------------------------------------------ files

    /// @dev One file, at times two in a call, at times in place of another.
    function publish(uint256 seed) external {
        address owner = owners[seed % OWNERS];
        NewFile[] memory fresh = new NewFile[](seed >> 64 & 3 == 0 ? 2 : 1);
        for (uint256 i = 0; i < fresh.length; ++i) {
            fresh[i] = _newFile(owner, uint64(seed >> (8 + 32 * i)));
            if (i == 0 && seed >> 66 & 1 == 0) fresh[i].replaces = _liveOf(owner, seed >> 70);
            _signNew(_fileId(owner, fresh[i].nonce), fresh[i]);
        }
        vm.assume(_took(owner, abi.encodeCall(registry.publish, (fresh))));
        for (uint256 i = 0; i < fresh.length; ++i) {
            _published(owner, fresh[i]);
        }
    }

    function _published(address owner, NewFile memory fresh) private {
        bytes32 file = _fileId(owner, fresh.nonce);
        require(models[file].owner == address(0), "published twice");
        if (fresh.replaces != 0) models[fresh.replaces].deleted = _now();
        if (models[file].record.length == 0) files.push(file);
        Place[] memory places = new Place[](fresh.holders.length);
        for (uint256 i = 0; i < places.length; ++i) {
            places[i] = _placeOf(fresh.holders[i], _nextSegment(fresh.holders[i].node));
            _append(file, uint64(i + 1), fresh.holders[i]);
        }
        bytes32 root = _rootOfNew(fresh);
        Record memory record =
            Record(fresh.namespace, fresh.name, root, fresh.redundancy, 1, places);
        models[file] =
            FileModel(owner, fresh.expiry, 0, fresh.manifest, abi.encode(record), "");
    }

    function _liveOf(address owner, uint256 seed) private view returns (bytes32) {
        for (uint256 i = 0; i < files.length; ++i) {
            bytes32 file = files[(seed % files.length + i) % files.length];
            if (models[file].owner == owner && _isLive(file)) return file;
        }
        return 0;
    }

    /// @dev A file that is in the registry.
    function _some(uint256 seed) internal view returns (bytes32 file, Record memory record) {
        for (uint256 i = 0; i < files.length; ++i) {
            file = files[(seed % files.length + i) % files.length];
            if (models[file].owner != address(0)) return (file, _record(file));
        }
        vm.assume(false);
    }

    function renew(uint256 seed) external {
        (bytes32 file, Record memory record) = _some(seed);
        (bytes memory data, Record memory renewed, uint64 expiry) =
            _renewal(file, record, seed >> 32);
        vm.assume(_took(models[file].owner, data));
        require(_now() < _goneFrom(file), "renewed when gone");
        models[file].expiry = expiry;
        models[file].deleted = 0;
        _put(file, renewed);
    }

    function rename(uint256 seed) external {
        (bytes32 file, Record memory record) = _some(seed);
        (bytes memory data, Record memory renamed) = _renaming(file, record, seed >> 32);
        vm.assume(_took(models[file].owner, data));
        require(_isLive(file), "renamed when not live");
        _put(file, renamed);
    }

    function deleteFile(uint256 seed) external {
        (bytes32 file,) = _some(seed);
        FileModel storage model = models[file];
        bool expected = model.deleted == 0 && _now() < _goneFrom(file);
        bool ok = _took(model.owner, abi.encodeCall(registry.deleteFile, (file)));
        require(ok == expected, "deleteFile");
        vm.assume(ok);
        model.deleted = _now();
    }

    function move(uint256 seed) external {
        (bytes32 file, Record memory record) = _some(seed);
        (bytes memory data, Record memory moved, uint64 slot, Holder memory h) =
            _moving(file, record, seed >> 32);
        vm.assume(_took(models[file].owner, data));
        require(_now() < _goneFrom(file), "moved when gone");
        _drop(record.places[slot - 1]);
        _append(file, slot, h);
        _put(file, moved);
    }

    function extend(uint256 seed) external {
        (bytes32 file, Record memory record) = _some(seed);
        (bytes memory data, Record memory extended, Holder memory h) =
            _extending(file, record, seed >> 32);
        vm.assume(_took(models[file].owner, data));
        require(_isLive(file) && record.redundancy.coding == 1, "extended");
        _append(file, uint64(extended.places.length), h);
        _put(file, extended);
    }

    function shrink(uint256 seed) external {
        (bytes32 file, Record memory record) = _some(seed);
        (bytes memory data, Record memory shrunk) = _shrinking(file, record);
        bool expected = record.redundancy.coding == 1 && record.places.length > 1
            && _now() < _goneFrom(file);
        require(_took(models[file].owner, data) == expected, "shrink");
        vm.assume(expected);
        _drop(record.places[record.places.length - 1]);
        _put(file, shrunk);
    }

    /// @dev By anybody, when retention is over and not before.
    function release(uint256 seed) external {
        (bytes32 file, Record memory record) = _some(seed);
        bool expected = _now() >= _goneFrom(file);
        bytes memory data = abi.encodeCall(registry.release, (file, record));
        require(_took(owners[(seed >> 32) % OWNERS], data) == expected, "release");
        vm.assume(expected);
        for (uint256 i = 0; i < record.places.length; ++i) {
            _drop(record.places[i]);
        }
        models[file].owner = address(0);
    }

    function surrender(uint256 seed) external {
        address node = nodes[seed % NODES];
        vm.assume(segments[node].length != 0);
        uint256 index = (seed >> 32) % segments[node].length;
        bool expected = segments[node][index].ended == 0;
        address sender = seed & 0x100 == 0 ? node : _signerOf(node);
        bytes memory data = abi.encodeCall(registry.surrender, (node, _held(node, index)));
        require(_took(sender, data) == expected, "surrender");
        vm.assume(expected);
        segments[node][index].ended = _present() + 1;
    }
}
